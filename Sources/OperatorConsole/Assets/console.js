// What the console adds to pages that are whole without it: updates, copying, actions and keys.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const refreshMilliseconds = 2000;
  // The replica tells of changes every four seconds at least.
  const toldMilliseconds = 12_000;
  const answerMillisecondsMax = 10_000;

  // What works with this script alone is hidden in the page.
  const reveal = (root) => {
    for (const button of root.querySelectorAll("button[hidden]")) button.hidden = false;
  };

  // Updates

  const live = {
    isPaused: sessionStorage.getItem("paused") === "yes",
    lastRead: Date.now(),
  };

  const say = (text, isStale = false) => {
    const state = byId("live-state");
    if (state.textContent !== text) state.textContent = text;
    byId("foot").classList.toggle("stale", isStale);
    // Outside what is read aloud, since it changes with each attempt.
    const seconds = Math.round((Date.now() - live.lastRead) / 1000);
    byId("live-age").textContent = isStale ? `What you see was read ${seconds} s ago.` : "";
  };

  const sayState = () => say(live.isPaused ? "Paused: what you see is not brought up to date." : "");

  const isBusy = () =>
    document.querySelector("dialog[open]") !== null || !document.getSelection().isCollapsed;

  // Reads the page again; a replica that hangs must not look like one where nothing changes.
  const readPage = async (...signals) => {
    const answer = await fetch(location.href, {
      headers: { Accept: "text/html" }, cache: "no-store",
      signal: AbortSignal.any([...signals, AbortSignal.timeout(answerMillisecondsMax)]),
    });
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  // Calls `apply` with each new version of the page, and `fail` while there is none; returns what
  // ends that. The one place that knows where updates come from: the replica tells when something has
  // changed; where it does not, the page is read every two seconds.
  const updates = (apply, fail) => {
    let timer = null;
    let request = null;
    let isDue = false;
    let source = null;
    const isTold = () => source?.readyState === EventSource.OPEN;
    const next = (milliseconds = isTold() ? toldMilliseconds : refreshMilliseconds) => {
      clearTimeout(timer);
      timer = setTimeout(read, milliseconds);
    };
    const read = async () => {
      if (document.visibilityState !== "visible") return next();
      if (isBusy()) {
        say("Not brought up to date while text is selected or a dialog is open.", true);
        return next(refreshMilliseconds);
      }
      // What changes while the page is being read may be on it or not.
      if (request) { isDue = true; return; }
      clearTimeout(timer);
      request = new AbortController();
      try {
        apply(await readPage(request.signal));
      } catch (error) {
        if (error.name === "AbortError") return;
        fail();
      }
      request = null;
      next(isDue ? 0 : undefined);
      isDue = false;
    };
    // A browser opens few connections to one server: a page that nobody sees gives its own back.
    const listen = () => {
      source?.close();
      source = null;
      if (document.visibilityState !== "visible") return;
      source = new EventSource("/events");
      source.addEventListener("change", read);
      source.addEventListener("error", () => next(refreshMilliseconds));
    };
    const see = () => { listen(); read(); };
    document.addEventListener("visibilitychange", see);
    listen();
    next();
    return () => {
      document.removeEventListener("visibilitychange", see);
      clearTimeout(timer);
      source?.close();
      request?.abort();
    };
  };

  // What a page shows, as its main part says; undefined for a page that no replica made.
  const kindOf = (page) => page.querySelector("main")?.dataset.page;

  // Puts what has changed into the page, and leaves the focus and open parts as they are.
  const apply = (page) => {
    if (kindOf(page) !== kindOf(document)) {
      // In place of this page there is an error, or an error has passed.
      if (kindOf(page) && kindOf(document) === "error") return location.reload();
      return fail(page.querySelector("main h1")?.textContent);
    }
    live.lastRead = Date.now();
    sayState();
    const headline = document.querySelector("[data-headline]")?.dataset.headline;
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh) continue;
      for (const part of old.querySelectorAll("details")) {
        const same = fresh.querySelector(`#${CSS.escape(part.id)}`);
        if (same) same.open = part.open;
      }
      reveal(fresh);
      if (fresh.isEqualNode(old)) continue;
      const place = placeOf(document.activeElement, old);
      const scroll = [...old.querySelectorAll(".scroll")].map((part) => part.scrollLeft);
      old.replaceWith(fresh);
      [...fresh.querySelectorAll(".scroll")].forEach((part, i) => { part.scrollLeft = scroll[i] ?? 0; });
      restore(place, fresh);
    }
    const now = document.querySelector("[data-headline]")?.dataset.headline;
    if (now && now !== headline) say(`Now: ${now}`);
    if (page.title) document.title = page.title;
  };

  // Where the focus is within a part, so that it can be found again in the part's next version.
  const placeOf = (element, part) => {
    if (!element || !part.contains(element) || element === part) return null;
    if (element.id) return { id: element.id };
    const all = [...part.querySelectorAll("a, button, summary, [tabindex]")];
    return { href: element.getAttribute("href"), index: all.indexOf(element) };
  };

  const restore = (place, part) => {
    if (!place) return;
    const all = [...part.querySelectorAll("a, button, summary, [tabindex]")];
    const same = place.id
      ? byId(place.id)
      : all.find((element) => place.href && element.getAttribute("href") === place.href)
        ?? all[place.index];
    same?.focus({ preventScroll: true });
  };

  const fail = (why = "This replica does not answer") => say(`${why}.`, true);

  let stop = null;
  const setPaused = (isPaused) => {
    live.isPaused = isPaused;
    sessionStorage.setItem("paused", isPaused ? "yes" : "no");
    const toggle = byId("live-toggle");
    // Its name stays the same, or it would be read as "Resume, pressed".
    toggle.setAttribute("aria-pressed", String(isPaused));
    toggle.title = isPaused ? "Bring this page up to date again" : "Stop bringing this page up to date";
    stop?.();
    stop = isPaused ? null : updates(apply, fail);
    sayState();
  };

  const refreshNow = () => readPage().then(apply).catch(() => fail());

  // Copying

  const copy = async (button) => {
    const text = byId(button.dataset.copy)?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without a secure context there is no clipboard: the text is selected instead.
      document.getSelection().selectAllChildren(byId(button.dataset.copy));
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };

  // Actions

  // Shows what became of an action, until the next action or until it is dismissed: no update
  // replaces it.
  const reply = (text, isRefusal = false) => {
    byId("reply").textContent = text;
    byId("foot").classList.toggle("refused", isRefusal);
  };

  const timeOfDay = () => `${new Date().toISOString().slice(11, 19)} UTC`;

  // Answers why the action was refused, or its status if it was not.
  const send = async (path, { body, tag } = {}) => {
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (tag) headers["If-Match"] = tag;
    const answer = await fetch(path, {
      method: "POST", headers, body: body ? JSON.stringify(body) : undefined,
    });
    if (answer.ok) return { status: answer.status };
    const problem = await answer.json().catch(() => ({}));
    const words = [problem.title, problem.detail].filter(Boolean).join(". ");
    return { refusal: words || `The answer was ${answer.status}.` };
  };

  const path = (id, action) => `/v1/transactions/${encodeURIComponent(id)}/${action}`;

  // Brings the page up to date; the focus goes on from the top where its button has gone.
  const showOutcome = async () => {
    await refreshNow();
    if (document.activeElement !== document.body) return;
    (byId("standing")?.querySelector("a, button") ?? byId("main")).focus();
  };

  // Opens a form without what it showed before.
  const open = (form) => {
    form.reset();
    form.querySelector(".answer").textContent = "";
    form.closest("dialog").showModal();
  };

  // Sends a form's action, shows why it was refused, or closes the form and shows what became of it:
  // in the words of `inWords`, by status.
  const submit = async (form, inWords, request) => {
    const answer = form.querySelector(".answer");
    const buttons = form.querySelectorAll("button");
    answer.textContent = "";
    for (const button of buttons) button.disabled = true;
    let found;
    try {
      found = await request();
    } catch {
      found = { refusal: "This replica did not answer. Look at the transaction before you try again." };
    }
    for (const button of buttons) button.disabled = false;
    if (found.refusal) {
      answer.textContent = found.refusal;
      return;
    }
    form.closest("dialog").close();
    reply(`${timeOfDay()}: ${inWords[found.status] ?? "done."}`);
    await showOutcome();
  };

  const rolledBack = {
    200: "the transaction is rolled back.",
    202: "the transaction is aborted; a branch is not rolled back yet.",
  };
  const resolved = {
    200: "the resolution is recorded.",
    202: "the resolution is recorded; the prepared transaction could not be finished yet.",
    204: "the resolution is recorded; tandem finishes what was prepared as it says.",
  };

  const ask = {
    rollback: ({ transaction }) => {
      const form = byId("rollback-form");
      open(form);
      form.onsubmit = (event) => {
        event.preventDefault();
        submit(form, rolledBack, () => send(path(transaction, "rollback")));
      };
    },
    resolve: ({ transaction, branch, participant, tag }) => {
      const form = byId("resolve-form");
      open(form);
      const [number] = transaction.split("-");
      const values = { branch, participant, number };
      for (const place of form.querySelectorAll("[data-fill]")) {
        place.textContent = values[place.dataset.fill];
      }
      form.elements.number.pattern = number;
      form.elements.actor.value = localStorage.getItem("actor") ?? "";
      form.onsubmit = (event) => {
        event.preventDefault();
        const { outcome, actor, reason, force } = form.elements;
        localStorage.setItem("actor", actor.value);
        submit(form, resolved, () => send(path(transaction, "resolution"), {
          tag,
          body: {
            branch: Number(branch), outcome: outcome.value, actor: actor.value,
            reason: reason.value, force: force.checked,
          },
        }));
      };
    },
    retry: async ({ transaction }, button) => {
      button.disabled = true;
      const { refusal } = await send(path(transaction, "retry")).catch(
        () => ({ refusal: "This replica did not answer." }));
      button.disabled = false;
      const words = refusal ?? "accepted; every unfinished branch is tried at once.";
      reply(`Retry, ${timeOfDay()}: ${words}`, refusal !== undefined);
      await showOutcome();
    },
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    else if (button.dataset.action) ask[button.dataset.action](button.dataset, button);
    else if ("close" in button.dataset) button.closest("dialog").close();
    else if (button.id === "live-toggle") setPaused(!live.isPaused);
    else if (button.id === "help-open") showKeys();
    else if (button.id === "reply-dismiss") reply("");
  });

  // Keys

  // Somebody who dictates, or types by chance, can switch them off (WCAG 2.1.4). It is read at each
  // key, since another page may have changed it.
  const areKeysOn = () => localStorage.getItem("keys") !== "off";
  const showKeys = () => {
    byId("keys-on").checked = areKeysOn();
    byId("help").showModal();
  };
  byId("keys-on").addEventListener("change", ({ target }) => {
    localStorage.setItem("keys", target.checked ? "on" : "off");
  });

  const rows = () => [...document.querySelectorAll(".rows tbody th a")];
  const move = (step) => {
    const all = rows();
    if (all.length === 0) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step;
    all[Math.min(Math.max(next, 0), all.length - 1)].focus();
  };

  const keys = {
    "?": showKeys,
    "/": () => document.querySelector(".filters select, .filters input")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    p: () => setPaused(!live.isPaused),
    c: () => document.querySelector(".page-head .copy")?.click(),
  };
  const places = { o: "/", t: "/transactions", p: "/participants" };
  let isGoing = false;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !areKeysOn()) return;
    // A field of a dialog that was just closed may still have the focus.
    if (event.target.closest("input, select, textarea, dialog[open]")?.checkVisibility()) return;
    if (isGoing) {
      isGoing = false;
      if (places[event.key]) location.assign(places[event.key]);
      return;
    }
    if (event.key === "g") {
      isGoing = true;
      return;
    }
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  reveal(document);
  setPaused(live.isPaused);
})();
