// Live ticks of a QuantMind gateway in a page, without a library.
//
// Three things a page that people look at for money has to get right:
// - it comes back by itself, later and later, and not at the same moment as everybody else's page;
// - it says when a price is old: a feed that went silent must not look alive;
// - it counts what it missed: `seq` grows by one with each tick of a symbol, within an epoch.

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
const SILENT_AFTER_MS = 75_000; // the gateway sends a heartbeat every 30 s
const CHART_MS = 60_000;

export class TickFeed extends EventTarget {
  #address;
  #symbols;
  #socket = null;
  #attempt = 0;
  #timer = 0;
  #silence = 0;
  #epoch = "";
  #seq = new Map();
  #stopped = false;

  constructor(address, symbols) {
    super();
    this.#address = address;
    this.#symbols = symbols;
  }

  start() {
    this.#tell("state", { state: "connecting" });
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "subscribe", symbols: this.#symbols, id: "1" }));
    socket.onmessage = (event) => {
      this.#heard();
      this.#take(JSON.parse(event.data));
    };
    socket.onclose = (event) => this.#closed(event);
    this.#heard();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#socket?.close(1000);
  }

  #take(message) {
    switch (message.type) {
      case "subscribed":
        this.#attempt = 0;
        if (message.epoch !== this.#epoch) {
          this.#epoch = message.epoch;
          this.#seq.clear(); // another hub counts anew: what came before can't be compared
        }
        this.#tell("state", { state: "connected" });
        for (const { symbol, reason } of message.rejected) this.#tell("rejected", { symbol, reason });
        break;
      case "tick":
        this.#tick(message.data, message.snapshot === true);
        break;
      case "status":
        this.#tell("feed", message);
        break;
      case "error":
        this.#tell("fault", message);
        break;
    }
  }

  #tick(tick, snapshot) {
    const last = this.#seq.get(tick.symbol);
    this.#seq.set(tick.symbol, tick.seq);
    // After a pause the snapshot is the newest tick; what lies between is missed as well.
    const missed = last === undefined ? 0 : Math.max(0, tick.seq - last - 1);
    this.#tell("tick", { ...tick, missed, snapshot });
  }

  #heard() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.close(4000, "silent"), SILENT_AFTER_MS);
  }

  #closed(event) {
    clearTimeout(this.#silence);
    if (this.#stopped) return;
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    const delay = longest * (0.5 + Math.random() / 2);
    this.#tell("state", { state: "waiting", code: event.code, seconds: delay / 1000 });
    this.#timer = setTimeout(() => this.start(), delay);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

class Row {
  constructor(symbol) {
    this.points = [];
    this.missed = 0;
    this.element = document.createElement("tr");
    this.element.dataset.symbol = symbol;
    this.cells = ["symbol", "bid", "ask", "spread", "time", "seq", "missed"].map((name) => {
      const cell = this.element.insertCell();
      cell.dataset.field = name;
      return [name, cell];
    });
    this.chart = document.createElement("canvas");
    this.chart.width = 160;
    this.chart.height = 28;
    this.element.insertCell().append(this.chart);
    this.set("symbol", symbol);
  }

  set(field, text) {
    this.cells.find(([name]) => name === field)[1].textContent = text;
  }

  show(tick) {
    const before = this.points.at(-1)?.bid;
    this.missed += tick.missed;
    this.element.className = before === undefined || before === tick.bid ? "" : tick.bid > before ? "up" : "down";
    for (const field of ["bid", "ask", "spread", "seq"]) this.set(field, tick[field]);
    this.set("time", tick.time.slice(11, 23));
    this.set("missed", this.missed);
    const now = performance.now();
    this.points.push({ at: now, bid: tick.bid });
    while (this.points.length > 2000 || this.points[0].at < now - CHART_MS) this.points.shift();
    this.draw(now);
  }

  draw(now) {
    const { width, height } = this.chart;
    const pen = this.chart.getContext("2d");
    const bids = this.points.map((point) => point.bid);
    const low = Math.min(...bids);
    const range = Math.max(...bids) - low || 1;
    pen.clearRect(0, 0, width, height);
    pen.beginPath();
    for (const { at, bid } of this.points) {
      pen.lineTo(width * (1 - (now - at) / CHART_MS), (height - 2) * (1 - (bid - low) / range) + 1);
    }
    pen.stroke();
  }
}

function run() {
  const find = (id) => document.getElementById(id);
  const say = (text) => { find("state").textContent = text; };
  let feed = null;
  let rows = new Map();

  function connect() {
    feed?.stop();
    rows = new Map();
    find("rows").replaceChildren();
    const symbols = find("symbols").value.split(/[\s,]+/).filter(Boolean);
    feed = new TickFeed(find("address").value, symbols);
    feed.addEventListener("state", ({ detail }) => {
      if (detail.state === "connected") say("connected");
      else if (detail.state === "connecting") say("connecting …");
      else say(`connection closed (${detail.code}), next attempt in ${detail.seconds.toFixed(1)} s`);
      find("rows").classList.toggle("old", detail.state !== "connected");
    });
    feed.addEventListener("tick", ({ detail }) => {
      if (!rows.has(detail.symbol)) {
        rows.set(detail.symbol, new Row(detail.symbol));
        find("rows").append(rows.get(detail.symbol).element);
      }
      rows.get(detail.symbol).show(detail);
    });
    feed.addEventListener("feed", ({ detail }) => {
      if (detail.state === "stopping") say("the gateway stops");
      else rows.get(detail.symbol)?.element.classList.toggle("old", detail.state !== "live");
    });
    feed.addEventListener("rejected", ({ detail }) => say(`${detail.symbol}: ${detail.reason.replace("_", " ")}`));
    feed.addEventListener("fault", ({ detail }) => say(`${detail.code}: ${detail.message}`));
    feed.start();
  }

  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    connect();
  });
  // Prices grow old also when nothing comes.
  setInterval(() => rows.forEach((row) => row.points.length && row.draw(performance.now())), 1000);
  const asked = new URLSearchParams(location.search);
  for (const name of ["address", "symbols"]) if (asked.has(name)) find(name).value = asked.get(name);
  connect();
}

run();
