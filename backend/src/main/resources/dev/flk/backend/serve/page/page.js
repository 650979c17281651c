// SPDX-License-Identifier: Apache-2.0
// Shows times in the reader's zone, keeps the page up to date, lets the reader zoom into a plot, and copies texts. Without
// this script the page shows everything as of its loading, in UTC.
"use strict";
(() => {
  const RETRY_MILLIS = 5000;
  const stale = document.getElementById("stale");
  let source = null;
  let retry = 0;
  let hasMissed = false;

  function two(number) {
    return String(number).padStart(2, "0");
  }

  function showLocalTimes(root) {
    for (const time of root.querySelectorAll("time:not([data-local])")) {
      const at = new Date(time.dateTime);
      time.dataset.local = "";
      if (!isNaN(at) && at.getTimezoneOffset() !== 0) {
        const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
        const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
        // tables and lists have no room for both
        const utc = `${at.toISOString().slice(11, 19)} UTC`;
        time.textContent = time.closest("table, .entries") ? `${date} ${clock}` : `${date} ${clock} (${utc})`;
        time.title = utc;
      }
    }
  }

  // The ticks of a plot keep their form: a date, a time of day, or both.
  function showLocalTicks(root) {
    if (new Date().getTimezoneOffset() === 0) {
      return;
    }
    for (const tick of root.querySelectorAll("text[data-at]:not([data-local])")) {
      const at = new Date(tick.dataset.at * 1000);
      tick.dataset.local = "";
      const local = new Date(at - at.getTimezoneOffset() * 60000).toISOString().replace("T", " ");
      const [from, to] = { 10: [0, 10], 11: [5, 16], 5: [11, 16], 8: [11, 19], 12: [11, 23] }[tick.textContent.length] ?? [0, 19];
      tick.textContent = local.slice(from, to);
    }
    for (const label of root.querySelectorAll("svg.plot text:not([data-at])")) {
      label.textContent = label.textContent.replace(" (UTC)", "");
    }
  }

  // A reader who has selected text, opened details, or moved the focus inside with the keyboard, would lose it.
  function isInUse(live) {
    const selection = document.getSelection();
    return live.querySelector(":focus-visible, details[open]") || (selection.type === "Range" && selection.containsNode(live, true));
  }

  function refresh() {
    const live = document.getElementById("live");
    if (live && !isInUse(live)) {
      htmx.trigger(live, "refresh");
    }
  }

  function follow() {
    clearTimeout(retry);
    if (document.hidden || source || !document.getElementById("live")) {
      return;
    }
    source = new EventSource("/ui/events");
    source.addEventListener("changed", refresh);
    source.addEventListener("open", () => {
      stale.hidden = true;
      if (hasMissed) {
        refresh();
      }
    });
    source.addEventListener("error", () => {
      stop();
      stale.hidden = false;
      retry = setTimeout(follow, RETRY_MILLIS);
    });
  }

  // A browser allows few connections to a server, so a page that nobody sees gives its own back.
  function stop() {
    clearTimeout(retry);
    if (source) {
      source.close();
      source = null;
      hasMissed = true;
    }
  }

  // Dragging over a plot of time leads to the range between both ends.
  let begin = null;

  function timeAt(figure, event) {
    const svg = figure.querySelector("svg");
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const share = (x - svg.dataset.left) / (svg.dataset.right - svg.dataset.left);
    const from = Date.parse(figure.dataset.from);
    return from + Math.min(1, Math.max(0, share)) * (Date.parse(figure.dataset.to) - from);
  }

  document.addEventListener("pointerdown", (event) => {
    const figure = event.target.closest("figure[data-zoom]");
    begin = figure && event.button === 0 ? { figure, x: event.clientX, time: timeAt(figure, event) } : null;
  });
  document.addEventListener("pointerup", (event) => {
    if (begin && Math.abs(event.clientX - begin.x) > 8) {
      const [from, to] = [begin.time, timeAt(begin.figure, event)].sort((a, b) => a - b);
      const iso = (millis) => new Date(millis).toISOString();
      location.assign(`${begin.figure.dataset.zoom}&from=${iso(from)}&to=${iso(Math.max(to, from + 100))}`);
    }
    begin = null;
  });
  // The points of a plot are links. Dragging across one zooms; it neither drags nor opens the link.
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest("figure[data-zoom]")) {
      event.preventDefault();
    }
  });

  // A browser has no navigator.clipboard on a page that came over plain HTTP from another host. There, the shown text is
  // selected, so that the reader can copy it in any case.
  const COPIED_MILLIS = 2000;

  function selectShown(button) {
    const shown = button.parentElement.querySelector("code");
    if (!shown || shown.textContent !== button.dataset.copy) {
      return false;
    }
    document.getSelection().selectAllChildren(shown);
    return true;
  }

  async function copy(button) {
    const name = button.dataset.name ?? (button.dataset.name = button.textContent);
    let result = "Copied";
    try {
      const text = button.dataset.copy;
      await navigator.clipboard.writeText(text.startsWith("/") ? new URL(text, location).href : text);
    } catch {
      const isShown = selectShown(button);
      if (!isShown || !document.execCommand("copy")) {
        result = isShown ? "Selected" : "Can’t copy";
      }
    }
    button.textContent = result;
    document.getElementById("said").textContent = result;
    setTimeout(() => {
      button.textContent = name;
      document.getElementById("said").textContent = "";
    }, COPIED_MILLIS);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (button) {
      copy(button);
    }
  });

  // A backend that is starting answers with a sentence instead of the view; the old view stays, as out of date.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.serverResponse.includes('id="live"')) {
      event.detail.shouldSwap = false;
      stale.hidden = false;
    }
  });
  document.addEventListener("htmx:afterSwap", () => {
    stale.hidden = true;
    showLocalTimes(document);
    showLocalTicks(document);
  });
  // An update sets the title too; the icon is red while the title counts problems, as in the page's markup.
  document.addEventListener("htmx:afterSettle", () => {
    const icon = document.querySelector("link[rel=icon]");
    icon.href = icon.href.replace(/%23[0-9a-f]{6}/, document.title.startsWith("(") ? "%23b3261e" : "%230a57c2");
  });
  document.addEventListener("htmx:sendError", () => {
    stale.hidden = false;
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : follow()));
  showLocalTimes(document);
  showLocalTicks(document);
  follow();
})();
