"use strict";
(function () {
  const root = document.documentElement;
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const PAGE = 24;
  root.classList.add("js");
  for (const part of document.querySelectorAll(".script")) part.hidden = false;

  // Theme: as the system has it, or as chosen.
  const themes = ["auto", "light", "dark"];
  const applyTheme = (name) => {
    if (name === "auto") delete root.dataset.theme;
    else root.dataset.theme = name;
    $("theme").textContent = "Theme: " + name;
  };
  const kept = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("evalsuite-theme");
      localStorage.setItem("evalsuite-theme", value);
    } catch { /* a file opened from disk may have no storage */ }
    return null;
  };
  let theme = themes.includes(kept()) ? kept() : "auto";
  applyTheme(theme);
  $("theme").addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    applyTheme(theme);
    kept(theme);
  });

  window.addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details.how:not([open])")) {
      part.open = true;
      part.dataset.printed = "";
    }
  });
  window.addEventListener("afterprint", () => {
    for (const part of document.querySelectorAll("details[data-printed]")) {
      part.open = false;
      delete part.dataset.printed;
    }
  });

  if (!$("images")) return;
  const control = (id) => ($(id) ? $(id).value : "");
  const number = (id, otherwise) => ($(id) ? Number($(id).value) : otherwise);
  const pictures = (card) => Array.from(card.querySelectorAll("figure"));
  const byPlan = (one, other) => Number(one.id.slice(1)) - Number(other.id.slice(1));
  const cards = Array.from(document.querySelectorAll(".card")).sort(byPlan);
  const words = new Map(cards.map((card) => {
    const about = data.cards[card.id];
    return [card, [card.querySelector("h4").textContent, about.prompt].concat(about.tags).join(" ").toLowerCase()];
  }));
  let limit = PAGE;
  let shown = [];

  const shownNumber = (value, digits) => {
    if (digits > 6) return value.toExponential(2);
    return value.toFixed(Math.max(digits, 0)).replace(/^-(?=0(\.0*)?$)/, "");
  };
  const valueOf = (card, model, metric) => {
    const found = pictures(card).find((figure) => Number(figure.dataset.model) === model);
    const value = found && data.values[found.dataset.id][metric];
    return typeof value === "number" ? value : null;
  };
  // How far the first model is ahead; of one model, its value itself.
  const lead = (card, metric) => {
    const one = number("one", 0), other = number("other", 1);
    const first = valueOf(card, one, metric);
    const second = data.labels.length > 1 ? valueOf(card, other, metric) : 0;
    if (first === null || second === null || (data.labels.length > 1 && one === other)) return null;
    return (first - second) * (data.metrics[metric].higher === false ? -1 : 1);
  };
  const matches = (card) => {
    const about = data.cards[card.id];
    const asked = control("search").trim().toLowerCase();
    return (!control("tag") || about.tags.includes(control("tag")))
      && (!control("aspect") || about.aspect === control("aspect"))
      && (!asked || asked.split(/\s+/).every((word) => words.get(card).includes(word)));
  };

  function arrange() {
    const metric = number("by", -1), model = control("model"), several = data.labels.length > 1;
    const names = several ? [data.labels[number("one", 0)], data.labels[number("other", 1)]] : [];
    const found = cards.filter(matches);
    const leads = new Map();
    if (metric >= 0) {
      for (const card of found) {
        const value = lead(card, metric);
        if (value !== null) leads.set(card, value);
      }
    }
    const order = Array.from(leads.keys()).sort((one, other) => leads.get(other) - leads.get(one));
    const half = several ? data.extremes : Math.min(data.extremes, Math.floor(order.length / 2));
    const gains = order.slice(0, half).filter((card) => !several || leads.get(card) > 0);
    const losses = order.slice().reverse().slice(0, half).filter((card) => !several || leads.get(card) < 0);
    const first = new Set(gains.concat(losses));
    const rest = found.filter((card) => !first.has(card));
    shown = gains.concat(losses, rest);
    const matching = new Set(found);
    for (const card of cards) card.hidden = !matching.has(card);
    rest.forEach((card, place) => { card.hidden = place >= limit; });
    $("gains").append(...gains);
    $("losses").append(...losses);
    $("rest").append(...rest);
    $("more").hidden = rest.length <= limit;
    for (const id of ["gains", "losses", "rest"]) {
      $(id).closest("section").hidden = !shown.some((card) => card.parentElement === $(id));
    }
    for (const card of found) {
      const figures = pictures(card);
      for (const figure of figures) {
        figure.hidden = model !== "" && figure.dataset.model !== model && figures.length > 1;
        for (const score of figure.querySelectorAll(".score")) {
          score.classList.toggle("on-show", metric >= 0 && score.dataset.metric === data.metrics[metric].title);
        }
      }
      const value = leads.get(card);
      let text = "";
      if (several && value !== undefined && value !== 0) {
        const word = data.metrics[metric].higher === null ? " higher by " : " ahead by ";
        text = names[value > 0 ? 0 : 1] + word + shownNumber(Math.abs(value), data.metrics[metric].digits);
      }
      card.querySelector(".lead").textContent = text;
    }
    const on = metric >= 0 ? " on " + data.metrics[metric].title : "";
    const heads = several ? names.map((name) => name + " furthest ahead") : ["Highest scores", "Lowest scores"];
    if (!several && metric >= 0 && data.metrics[metric].higher === false) heads.reverse();
    [$("gains-title"), $("losses-title")].forEach((title, place) => {
      const tail = document.createElement("span");
      tail.className = "on";
      tail.textContent = on;
      title.replaceChildren(heads[place], tail);
    });
    $("count").textContent = found.length === cards.length
      ? cards.length + " prompts and sizes" : found.length + " of " + cards.length + " prompts and sizes";
  }

  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", () => { limit = PAGE; arrange(); });
  $("more").addEventListener("click", () => {
    const before = limit;
    limit += 2 * PAGE;
    arrange();
    const next = $("rest").children[before];
    if (next && next.querySelector(".open")) next.querySelector(".open").focus();
  });

  // One prompt in full size, all models side by side.
  const view = $("view");
  let place = 0;
  const make = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  function full(figure) {
    const made = make("figure");
    const thumbnail = figure.querySelector("img");
    if (thumbnail) {
      const image = make("img");
      image.src = thumbnail.src;
      image.alt = thumbnail.alt;
      made.append(image);
    } else made.append(figure.querySelector(".missing").cloneNode(true));
    const caption = make("figcaption"), list = make("dl"), chosen = number("by", -1);
    caption.append(figure.querySelector(".who").cloneNode(true), make("div", figure.dataset.facts, "muted small"), list);
    data.metrics.forEach((metric, column) => {
      const value = data.values[figure.dataset.id][column];
      if (typeof value !== "number") return;
      const kind = column === chosen ? "chosen" : "";
      list.append(make("dt", metric.title, kind), make("dd", shownNumber(value, metric.digits), kind));
    });
    made.append(caption);
    return made;
  }
  function open(card) {
    place = shown.indexOf(card);
    $("view-title").textContent = card.querySelector("h4").textContent;
    $("view-facts").textContent = card.querySelector(".lead").textContent;
    $("view-place").textContent = (place + 1) + " of " + shown.length;
    $("view-pictures").replaceChildren(...pictures(card).filter((figure) => !figure.hidden).map(full));
    $("previous").disabled = place <= 0;
    $("next").disabled = place >= shown.length - 1;
    if (!view.open) view.showModal();
  }
  const go = (steps) => { if (shown[place + steps]) open(shown[place + steps]); };
  $("images").addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (button) open(button.closest(".card"));
  });
  $("previous").addEventListener("click", () => go(-1));
  $("next").addEventListener("click", () => go(1));
  $("close").addEventListener("click", () => view.close());
  view.addEventListener("click", (event) => { if (event.target === view) view.close(); });
  view.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") go(-1);
    else if (event.key === "ArrowRight") go(1);
    else return;
    event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    const within = event.target.closest && event.target.closest(".open, input, select, textarea");
    if (event.key === "/" && !view.open && !(within && !within.matches(".open")) && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      $("search").focus();
    } else if (within && within.matches(".open") && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      const buttons = shown.filter((card) => !card.hidden).flatMap((card) =>
        Array.from(card.querySelectorAll("figure:not([hidden]) .open")));
      const next = buttons[buttons.indexOf(within) + (event.key === "ArrowLeft" ? -1 : 1)];
      if (next) { event.preventDefault(); next.focus(); }
    }
  });
  arrange();
})();
