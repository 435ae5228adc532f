"""The tree: who supervises whom, in which order, and who may bring down whom.

    root            rest_for_one   2 in 10 min   gives up: exit code 70, the service manager restarts
      journal         first up, last down
      execution       rest_for_one: brokers (pool of executors) · governor · commands
      market          rest_for_one: hub · pollers
      edges           one_for_one: ws · zmq_commands · http
      reporter

A broker never holds back another, or a listener: its executor and poller are ready when they are supervised, and
beyond their restart window they are parked and tried again.
"""
