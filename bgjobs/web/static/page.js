// Shows times in the zone of the reader, replaces what has changed while the page is open, and
// says so when it cannot.
// Without this script, times are in UTC and the page is as it was when it was loaded.
"use strict";

const openAtFirst = new WeakMap();
const waiting = new WeakMap();
const WAITS = "There is newer data. It is shown when you have closed what you opened here, and cleared what you selected.";
const OVER = "This page does not change any more: your session has ended, or what it shows is gone. Reload it.";

function showLocalTimes(root) {
  for (const element of root.querySelectorAll("time.absolute")) {
    const instant = new Date(element.dateTime);
    if (!Number.isNaN(instant.getTime())) {
      element.textContent = instant.toLocaleString();
    }
  }
}

function follow(region) {
  let source = null;
  let late = null;
  const open = () => {
    source = new EventSource(region.dataset.live);
    source.onopen = () => {
      clearTimeout(late);
      late = null;
      say(region, "");
    };
    source.onmessage = (event) => {
      say(region, "");
      replace(region, event.data);
    };
    source.addEventListener("away", () => say(region, "The database does not answer"));
    source.onerror = () => {
      if (source !== null && source.readyState === EventSource.CLOSED) {
        say(region, OVER);
      } else {
        // A stream that has ended is opened again after some seconds.
        late ??= setTimeout(() => say(region, "There is no connection to the page"), 10000);
      }
    };
  };
  const close = () => {
    clearTimeout(late);
    late = null;
    if (source !== null) {
      source.close();
      source = null;
    }
  };
  // A page that is not seen asks for nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  if (!document.hidden) {
    open();
  }
}

// The region is marked as old, and the reader is told since when.
function say(region, text) {
  const isOld = region.classList.contains("old");
  if (!text) {
    tell(region, "", "note");
    region.classList.remove("old");
  } else if (!isOld || text === OVER) {
    const since = new Date().toLocaleTimeString();
    const known = `${text} since ${since}. Below is what was known then.`;
    tell(region, text === OVER ? OVER : known, "problem");
    region.classList.add("old");
  }
}

function tell(region, text, kind) {
  const notice = region.previousElementSibling;
  notice.className = kind;
  notice.textContent = text;
  notice.hidden = !text;
}

function replace(region, text) {
  if (isUsed(region)) {
    waiting.set(region, text);
    tell(region, WAITS, "note");
    return;
  }
  waiting.delete(region);
  const parsed = new DOMParser().parseFromString(text, "text/html");
  region.replaceChildren(...document.adoptNode(parsed.body).childNodes);
  begin(region);
}

// What the reader has opened, chosen or marked, or where the keyboard is, must not change under
// the hands.
function isUsed(region) {
  const folds = [...region.querySelectorAll("details")];
  return (
    region.contains(document.activeElement) ||
    region.querySelector("input[type=checkbox]:checked") !== null ||
    folds.some((fold) => fold.open !== openAtFirst.get(fold)) ||
    String(document.getSelection()) !== ""
  );
}

function begin(region) {
  for (const fold of region.querySelectorAll("details")) {
    openAtFirst.set(fold, fold.open);
  }
  showLocalTimes(region);
}

// What has changed meanwhile is shown as soon as the region is not used any more.
function catchUp() {
  for (const region of document.querySelectorAll("[data-live]")) {
    if (waiting.has(region) && !isUsed(region)) {
      tell(region, "", "note");
      replace(region, waiting.get(region));
    }
  }
}

for (const event of ["focusout", "toggle", "change", "selectionchange"]) {
  // An event comes before what it is about has changed, and `toggle` does not bubble.
  document.addEventListener(event, () => setTimeout(catchUp), true);
}

// The second click of a double click sends nothing: a form is accepted once.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
  } else if (form.method === "post") {
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 2000);
  }
});

showLocalTimes(document);
for (const region of document.querySelectorAll("[data-live]")) {
  const notice = document.createElement("p");
  notice.setAttribute("role", "status");
  notice.hidden = true;
  region.before(notice);
  begin(region);
  follow(region);
}
