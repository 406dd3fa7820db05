"use strict";

// The token is in the part of the address that is never sent; texts go into the page as text only.
const token = location.hash.slice(1);
const $ = (id) => document.getElementById(id);
const SHOWN = 160; // milliseconds that a choice is shown before the next pair

let rater = null; // who votes
let turn = null; // what the server said last
let busy = false; // a vote is on its way
let began = null; // when both images of the pair were there
let away = 0; // milliseconds since then that nobody looked
let hiddenAt = null;
const loaded = new Map(); // "pair side" to its image, and when it is there

async function ask(path, body) {
  const options = { headers: { "X-Vote-Token": token } };
  if (body !== undefined) Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The vote has stopped. Every vote so far is saved: start it again, and open its new address.");
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(sentence(found.error));
  return found;
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function show(id) {
  for (const part of document.querySelectorAll("main")) part.hidden = part.id !== id;
}

function stop(error) {
  $("stop-reason").textContent = error.message;
  show("stop");
}

function pairs(count) {
  return count === 1 ? "1 pair" : `${count} pairs`;
}

// Images -------------------------------------------------------------------------------------------------------------

function picture(pair, side) {
  const key = `${pair.pair} ${side}`;
  if (!loaded.has(key)) {
    const image = new Image(pair.width, pair.height);
    const query = new URLSearchParams({ rater, pair: pair.pair, side, token });
    image.alt = side === "left" ? "Left image" : "Right image";
    image.draggable = false;
    image.src = `/api/image?${query}`;
    loaded.set(key, { image, ready: image.decode().then(() => true, () => false) });
  }
  return loaded.get(key);
}

function broken(side) {
  const field = document.createElement("span");
  field.className = "broken";
  field.textContent = `The ${side} image cannot be shown: skip this pair`;
  return field;
}

async function paint(pair) {
  $("pair").className = "waiting";
  delete $("pair").dataset.ready;
  const sides = ["left", "right"].map((side) => ({ side, ...picture(pair, side) }));
  for (const { side, image } of sides) {
    const place = $(side);
    place.classList.remove("chosen");
    place.style.setProperty("--ratio", pair.width / pair.height);
    place.style.setProperty("--largest", `${pair.width * 3}px`); // larger than that is only blur
    place.replaceChildren(image);
  }
  const there = await Promise.all(sides.map(({ ready }) => ready));
  if (turn.current !== pair) return;
  sides.forEach(({ side }, at) => there[at] || $(side).replaceChildren(broken(side)));
  $("pair").className = "";
  $("pair").dataset.ready = pair.pair;
  began = performance.now();
  away = 0;
  hiddenAt = document.hidden ? began : null;
}

// Turns --------------------------------------------------------------------------------------------------------------

function render(state) {
  turn = state;
  rater = state.rater;
  began = null;
  const bar = $("bar");
  bar.setAttribute("aria-valuemax", state.total);
  bar.setAttribute("aria-valuenow", state.done);
  $("fill").style.width = `${(100 * state.done) / state.total}%`;
  if (!state.current) {
    $("end-count").textContent = `${pairs(state.total)} done, ${rater}.`;
    show("end");
    return;
  }
  $("count").textContent = `${state.done + 1} of ${state.total}`;
  const prompt = $("prompt");
  prompt.textContent = state.current.text;
  prompt.hidden = !state.current.text;
  prompt.scrollTop = 0;
  $("undo").disabled = state.done === 0;
  show("vote");
  if (prompt.scrollHeight > prompt.clientHeight + 1) prompt.tabIndex = 0;
  else prompt.removeAttribute("tabindex");
  const kept = [state.current, state.following].filter(Boolean).map((pair) => pair.pair);
  for (const key of loaded.keys()) if (!kept.includes(Number(key.split(" ")[0]))) loaded.delete(key);
  paint(state.current);
  if (state.following) for (const side of ["left", "right"]) picture(state.following, side);
}

function say(text) {
  $("said").textContent = text;
}

async function act(path, body, said) {
  if (busy) return;
  busy = true;
  delete $("pair").dataset.ready;
  try {
    const [state] = await Promise.all([
      ask(path, { rater, ...body }),
      new Promise((done) => setTimeout(done, said.pause)),
    ]);
    render(state);
    say(`${said.text} ${state.current ? `${state.done + 1} of ${state.total}.` : "All done."}`);
  } catch (error) {
    stop(error);
  } finally {
    busy = false;
  }
}

function vote(choice) {
  if (busy || !turn?.current || began === null) return;
  const looked = hiddenAt === null ? performance.now() : hiddenAt;
  const milliseconds = Math.round(looked - began - away);
  if (choice === "left" || choice === "right") {
    $(choice).classList.add("chosen");
    $("pair").className = "voted";
  } else {
    $("pair").className = choice === "tie" ? "tied" : "voted";
  }
  act("/api/vote", { pair: turn.current.pair, choice, milliseconds }, { text: `Saved: ${choice}.`, pause: SHOWN });
}

function undo() {
  if (turn && turn.done > 0) act("/api/undo", {}, { text: "Undone.", pause: 0 });
}

// Keys and clicks ----------------------------------------------------------------------------------------------------

const KEYS = { ArrowLeft: "left", ArrowRight: "right", " ": "tie", t: "tie", s: "skip", u: "undo", Backspace: "undo" };

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const wanted = KEYS[key];
  if (!wanted || !turn) return;
  if (key === " " && event.target.closest("button")) return; // a button that has the focus is what space presses
  event.preventDefault();
  if (wanted === "undo") undo();
  else vote(wanted);
});

for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", (event) => {
    if (event.detail) button.blur(); // else space would press it again
    vote(button.dataset.choice);
  });
}

for (const id of ["undo", "undo-last"]) {
  $(id).addEventListener("click", (event) => {
    if (event.detail) $(id).blur();
    undo();
  });
}

document.addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse" && began !== null && !busy) $("pair").classList.add("pointing");
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    hiddenAt = performance.now();
  } else if (hiddenAt !== null) {
    away += performance.now() - Math.max(hiddenAt, began ?? hiddenAt);
    hiddenAt = null;
  }
});

$("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    render(await ask("/api/enter", { rater: $("name").value }));
  } catch (error) {
    $("name").setCustomValidity(error.message);
    $("name").reportValidity();
  }
});

$("name").addEventListener("input", () => $("name").setCustomValidity(""));

window.addEventListener("hashchange", () => location.reload());

ask("/api/study").then(async (study) => {
  $("question").textContent = $("intro-question").textContent = study.question;
  $("intro-total").textContent = pairs(study.total);
  if (study.rater !== null) {
    render(await ask("/api/enter", {}));
  } else {
    show("intro");
    $("name").focus();
  }
}).catch(stop);
