// SPDX-License-Identifier: Apache-2.0
// Reviews by keyboard, and keeps the reviewer's name and each note until it was sent. Without this script, the links and
// forms of the page do the same.
"use strict";
(() => {
  const NAME = "flk.review.name";
  const NOTE = "flk.review.note ";
  const SENT = "flk.review.sent";
  const EFFECT = ["done", "withdrawn", "left_out", "reviewed_at", "reviewed", "from", "until"];
  const VERDICTS = { f: "fault", i: "ignore", u: "unclear", e: "expected" };
  const keys = document.getElementById("keys");
  const help = document.getElementById("help");
  const reviewers = [];
  let isLeaving = false;

  // A browser may forbid storage; then the page remembers nothing.
  function stored(name, area = "localStorage") {
    try {
      return window[area].getItem(name) || "";
    } catch {
      return "";
    }
  }

  function store(name, text, area = "localStorage") {
    try {
      if (text) {
        window[area].setItem(name, text);
      } else {
        window[area].removeItem(name);
      }
    } catch {
      // as without this script
    }
  }

  function follow(css) {
    const target = document.querySelector(css);
    // a form without a name is not sent; the browser leads to the field
    if (target && !isLeaving && (!target.form || target.form.reportValidity())) {
      isLeaving = true;
      target.click();
    }
  }

  function focus(css) {
    const target = document.querySelector(css);
    if (target) {
      target.focus();
      target.select();
    }
  }

  // The answer to a form that had an effect has the element .done, which names the form's note; otherwise, the note is
  // kept. Then the effect leaves the address: a reload, a copy of it, or a return must not show it again.
  const done = document.querySelector(".done");
  if (done) {
    if (done.dataset.note && done.dataset.note === stored(SENT, "sessionStorage")) {
      store(NOTE + done.dataset.note, "");
    }
    const address = new URL(location.href);
    EFFECT.forEach((name) => address.searchParams.delete(name));
    history.replaceState(null, "", address);
  }
  store(SENT, "", "sessionStorage");
  for (const form of document.querySelectorAll("form[data-note]")) {
    const note = form.querySelector("[name=note]");
    const name = form.querySelector("[name=author]");
    note.value = note.value || stored(NOTE + form.dataset.note);
    name.value = name.value || stored(NAME);
    reviewers.push({ form, name });
    note.addEventListener("input", () => store(NOTE + form.dataset.note, note.value));
    form.addEventListener("submit", () => {
      store(NOTE + form.dataset.note, note.value);
      store(NAME, name.value);
      store(SENT, form.dataset.note, "sessionStorage");
    });
  }

  // The name is asked once; then, it is shown as text, and can be changed.
  function showReviewers(isKnown) {
    for (const { form, name } of reviewers) {
      const shown = form.querySelector(".reviewer");
      const isText = isKnown && name.value.trim() !== "";
      name.closest("label").hidden = isText;
      if (shown) {
        shown.hidden = !isText;
        shown.querySelector("strong").textContent = name.value;
      }
    }
  }
  showReviewers(stored(NAME) !== "");
  document.addEventListener("click", (event) => {
    if (event.target.closest(".reviewer button")) {
      const { name } = reviewers.find((each) => each.form === event.target.form);
      showReviewers(false);
      name.select();
    }
  });

  const undo = document.querySelector(".undo");
  if (undo) {
    setTimeout(() => undo.remove(), undo.closest(".done").dataset.seconds * 1000);
  }

  if (help) {
    help.hidden = false;
    help.addEventListener("click", () => keys.showModal());
  }

  // After a return with the browser's button, the page is shown as it was left.
  addEventListener("pageshow", () => {
    isLeaving = false;
  });

  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, select, textarea");
    if (field && event.key === "Escape") {
      field.blur();
    }
    if (field || event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) {
      return;
    }
    if (keys?.open) {
      if (event.key === "?") {
        keys.close();
      }
      return;
    }
    if (event.key in VERDICTS) {
      event.preventDefault(); // or the key would be typed into the field that is missing
      follow(`.decide button[value=${VERDICTS[event.key]}]`);
    } else if (event.key === "j") {
      follow(".steps a[rel=next]");
    } else if (event.key === "k") {
      follow(".steps a[rel=prev]");
    } else if (event.key === "z") {
      follow(".undo button, .decide button[value=withdrawn]");
    } else if (event.key === "n") {
      event.preventDefault();
      focus(".decide [name=note]");
    } else if (event.key === "/") {
      event.preventDefault();
      focus(".search [name=q]");
    } else if (event.key === "?") {
      keys?.showModal();
    }
  });
})();
