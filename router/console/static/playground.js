"use strict";
// Asks, and shows the events of `router.console.playground` as they come. Text is set as text alone.
(() => {
  const form = document.getElementById("ask");
  const at = (id) => document.getElementById(id);
  let under = null;
  let last = "";

  const node = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text != null) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const tell = (text) => {
    if (text === last) return;
    last = text;
    at("status").textContent = text;
  };
  const facts = (pairs) => {
    const list = node("dl", null, "facts");
    for (const [name, value] of pairs) {
      if (value) list.append(node("dt", name), node("dd", value));
    }
    return list;
  };

  const showRoute = (receipt) => {
    const { route, profile } = receipt;
    const seats = route.seats.map((seat) => `${seat.role} ${seat.model}`).join(", ");
    at("route").replaceChildren(
      node("p", `${route.name}: ${route.composition.replaceAll("_", " ")}`, "answer"),
      node("p", route.reason),
      facts([
        ["Kind", `${profile.kind}, ${Math.round(profile.confidence * 100)} % sure${profile.is_unsure ? ", not plain" : ""}`],
        ["Because", profile.reasons.join("; ")],
        ["Seats", seats],
        ["Rounds", route.composition === "consensus" ? `at most ${route.max_rounds}` : ""],
        ["Missing", route.degraded.join(", ")],
      ]),
    );
  };

  const STATES = { reserved: "asked", sent: "answering", settled: "said", void: "not billed", estimated: "ended early" };
  const showAttempt = (one) => {
    const isOpen = one.state === "reserved" || one.state === "sent";
    const state = one.outcome && one.outcome !== "complete" ? one.outcome.replaceAll("_", " ") : STATES[one.state];
    const figures = [
      `${isOpen ? "at most " : ""}${usd(one.cost_nano_usd / 1e9)}`,
      one.usage.output ? `${one.usage.output} tokens` : "",
      one.latency_ms == null ? "" : `${(one.latency_ms / 1000).toFixed(1)} s`,
    ];
    const item = node("li");
    item.append(`${one.role} `, node("strong", one.model), " ",
      node("span", state, `pill ${one.state === "settled" ? "good" : "warn"}`), " ",
      node("span", figures.filter(Boolean).join(", "), "small faint"));
    return { item, isOpen };
  };
  const showRounds = (receipt) => {
    const rounds = new Map();
    for (const one of receipt.attempts) rounds.set(one.round, [...(rounds.get(one.round) ?? []), one]);
    at("rounds").replaceChildren(...[...rounds].map(([number, attempts]) => {
      const shown = attempts.map(showAttempt);
      const round = node("li", null, shown.some((one) => one.isOpen) ? "on" : "");
      const list = node("ul", null, "plain");
      list.append(...shown.map((one) => one.item));
      round.append(node("span", `Round ${number}`, "faint"), list);
      return round;
    }));
  };

  const CHANGED = {
    true: "The other voices changed the outcome.",
    false: "The first voice alone would have said the same.",
  };
  const showEnd = (receipt) => {
    if (receipt.outcome === "under_way") return;
    const answer = receipt.answer ?? {};
    const how = answer.settled_by ? `${answer.model}'s answer stands: ${answer.settled_by}.` : `Ended: ${receipt.outcome}.`;
    const degraded = answer.degraded?.length ? ` Missing: ${answer.degraded.join(", ")}.` : "";
    at("verdict").textContent = [how, CHANGED[answer.changed_outcome] ?? ""].join(" ") + degraded;
    const link = node("a", "Open the receipt");
    link.href = form.dataset.receipts + encodeURIComponent(receipt.id);
    at("receipt").replaceChildren(link, ` ${usd(receipt.cost_nano_usd / 1e9)} together${receipt.simulated ? ", simulated" : ""}`);
  };

  const SEEN = {
    note: ({ text }) => { at("note").textContent = text; tell(text); },
    text: ({ text }) => {
      const box = at("answer");
      const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
      box.append(text);
      if (follows) box.scrollTop = box.scrollHeight;
    },
    thought: ({ text }) => { at("thoughts").hidden = false; at("thought").append(text); },
    receipt: (receipt) => { showRoute(receipt); showRounds(receipt); showEnd(receipt); },
    problem: ({ text }) => { at("problem").hidden = false; at("problem").textContent = text; },
    end: () => { at("note").textContent = ""; },
  };

  const clear = () => {
    last = "";
    at("played").hidden = false;
    for (const id of ["answer", "thought", "verdict", "receipt", "rounds", "note"]) at(id).replaceChildren();
    at("route").replaceChildren(node("p", "deciding …", "faint"));
    at("thoughts").hidden = at("problem").hidden = true;
  };

  const read = async (body) => {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const events = (rest + next.value).split("\n\n");
      rest = events.pop();
      for (const one of events) {
        const [name, data] = one.split("\n").map((line) => line.slice(line.indexOf(": ") + 2));
        SEEN[name]?.(JSON.parse(data));
      }
    }
  };

  const ask = async () => {
    under = new AbortController();
    clear();
    at("send").disabled = true;
    at("stop").hidden = false;
    tell("asked");
    try {
      const reply = await fetch(form.action, {
        method: "POST", signal: under.signal, headers: { "content-type": "application/json" },
        body: JSON.stringify({ question: at("question").value, model: at("model").value, strict: at("strict").checked }),
      });
      if (reply.status === 401) return location.reload();
      if (!reply.ok) throw new Error((await reply.json()).problem ?? `the console answered ${reply.status}`);
      await read(reply.body);
      tell(at("problem").hidden ? "answered" : "");
    } catch (error) {
      if (error.name === "AbortError") tell("stopped");
      SEEN.problem({ text: error.name === "AbortError" ? "Stopped. What was asked is read to its end and booked." : error.message });
    } finally {
      under = null;
      at("send").disabled = false;
      at("stop").hidden = true;
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!under) ask();
  });
  at("tries").hidden = false;
  at("tries").addEventListener("click", ({ target }) => {
    if (target.tagName !== "BUTTON") return;
    at("question").value = target.textContent;
    at("model").value = target.dataset.model;
    at("question").focus();
  });
  at("stop").addEventListener("click", () => under?.abort());
  at("question").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
})();
