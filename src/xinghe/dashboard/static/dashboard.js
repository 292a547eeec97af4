// Keeps the page live: the server says which campaigns changed, and the live part of the page is asked for anew.
"use strict";
(() => {
  const body = document.body;
  const main = document.getElementById("live");
  const status = document.getElementById("status");
  const pause = document.getElementById("pause");
  let isPaused = false;
  let isAsking = false;
  let isDue = false;
  let isWriting = false;

  const say = (state) => {
    const shown = isPaused ? "paused" : state;
    status.className = `status ${shown}`;
    if (status.textContent !== status.dataset[shown]) status.textContent = status.dataset[shown];
  };

  const refresh = () => {
    // One request at a time; what changed meanwhile is asked for after it. A text that is being written is not swapped: an input
    // method would lose its word.
    if (isPaused || document.hidden || isAsking || isWriting) {
      isDue = true;
      return;
    }
    isDue = false;
    isAsking = true;
    htmx.trigger(main, "refresh");
  };

  // Open alerts that nobody has acknowledged, beside the link to them.
  const count = (unacknowledged) => {
    const badge = document.getElementById("unacknowledged");
    badge.hidden = unacknowledged === 0;
    badge.firstElementChild.textContent = unacknowledged > 99 ? "99+" : unacknowledged;
  };

  let written = 0;
  const wrote = (event) => {
    if (!event.target.closest("form[method='post']")) return;
    isWriting = true;
    clearTimeout(written);
    written = setTimeout(() => {
      isWriting = false;
      if (isDue) refresh();
    }, 3000);
  };
  main.addEventListener("input", wrote);
  main.addEventListener("pointerdown", wrote);

  const signIn = () => {
    // A link may bring the token behind #, which no server is sent.
    const token = document.getElementById("token");
    if (token && location.hash.length > 1) {
      token.value = decodeURIComponent(location.hash.slice(1));
      history.replaceState(null, "", location.pathname);
    }
    if (document.querySelector("[data-retry]")) setTimeout(() => location.reload(), 3000);
  };

  const keep = {};
  document.addEventListener("htmx:beforeSwap", () => {
    keep.scroll = [...main.querySelectorAll(".scroll[id]")].map((e) => [e.id, e.scrollLeft, e.scrollTop]);
    keep.open = [...main.querySelectorAll("details[id]")].map((e) => [e.id, e.open]);
    keep.table = [...main.querySelectorAll("details[id][open] .scroll")].map((e) => [e.parentElement.id, e.scrollTop]);
    keep.focus = document.activeElement && main.contains(document.activeElement) ? document.activeElement.id : "";
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const [id, isOpen] of keep.open || []) document.getElementById(id)?.toggleAttribute("open", isOpen);
    for (const [id, left, top] of keep.scroll || []) document.getElementById(id)?.scrollTo(left, top);
    for (const [id, top] of keep.table || []) document.querySelector(`#${CSS.escape(id)} .scroll`)?.scrollTo(0, top);
    if (keep.focus) document.getElementById(keep.focus)?.focus({ preventScroll: true });
  });
  document.addEventListener("htmx:afterRequest", () => {
    isAsking = false;
    // Events come twice a second at most.
    if (isDue) refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isDue) refresh();
  });

  const listen = () => {
    const topic = body.dataset.topic;
    const events = new EventSource(body.dataset.live);
    let isFirst = true;
    events.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      say(change.connected ? "live" : "away");
      // The first event says that all may have changed; the page was only just made.
      const concerns = change.campaigns === null ? !isFirst || !change.connected : !topic || change.campaigns.includes(topic);
      isFirst = false;
      if (concerns) refresh();
    });
    events.addEventListener("alerts", (event) => count(JSON.parse(event.data).unacknowledged));
    events.addEventListener("error", () => {
      say("connecting");
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
    pause.addEventListener("click", () => say(events.readyState === EventSource.OPEN ? "live" : "connecting"));
  };

  // A link that moves a column leads back to the list of columns.
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;

  signIn();
  if (!body.dataset.live) return;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? pause.dataset.resume : pause.dataset.pause;
    if (!isPaused && isDue) refresh();
  });
  // Ages go on while nothing changes, and workers report.
  setInterval(refresh, Number(body.dataset.every));
  document.addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "/" && !isTyping) {
      const search = document.getElementById("q");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
    if (event.key === "Escape") document.querySelector(".menu[open]")?.removeAttribute("open");
  });
  listen();
})();
