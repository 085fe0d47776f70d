// Keeps the page up to date and opens mails without a new page. Every view is rendered by the server: this script
// fetches the same pages and takes their parts over, so nothing of a mail is ever built into HTML here.
"use strict";

const byId = (id) => document.getElementById(id);
const REQUEST_DEADLINE_MS = 10_000;
const MIN_REFRESH_INTERVAL_MS = 300;
const RECONNECT_MS = 5_000;
const SEARCH_DELAY_MS = 200;

// --- Show a page ---

// The number of the newest request, so that the response of an older one is dropped.
let newest = 0;

/** Fetches a page and shows it, unless a newer request was made meanwhile. */
async function load(url) {
  const number = ++newest;
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (number === newest && page.getElementById("rows")) show(page);
}

function show(page) {
  const part = (id) => page.getElementById(id);
  document.title = page.title;
  document.body.className = page.body.className;
  byId("count").dataset.total = part("count").dataset.total;
  if (byId("count").textContent !== part("count").textContent) byId("count").textContent = part("count").textContent;
  for (const id of ["empty", "pager"]) byId(id).replaceChildren(...part(id).childNodes);
  showRows(byId("rows"), part("rows"));
  if (byId("mail").dataset.key !== part("mail").dataset.key) showMail(part("mail"));
  complete();
}

/** Adds, removes and updates rows. A row that stays keeps its element, and so the focus and the scroll position. */
function showRows(rows, fresh) {
  const kept = new Set([...fresh.children].map((row) => row.id));
  for (const row of [...rows.children]) if (!kept.has(row.id)) row.remove();
  [...fresh.children].forEach((row, index) => {
    const here = rows.children[index];
    if (here?.id !== row.id) {
      rows.insertBefore(row, here ?? null);
      return;
    }
    const [link, freshLink] = [here.firstElementChild, row.firstElementChild];
    for (const name of ["class", "href", "aria-current"]) {
      const value = freshLink.getAttribute(name);
      if (value === null) link.removeAttribute(name);
      else if (link.getAttribute(name) !== value) link.setAttribute(name, value);
    }
    const [words, freshWords] = [link.querySelector(".people .hidden"), freshLink.querySelector(".people .hidden")];
    if (words.textContent !== freshWords.textContent) words.textContent = freshWords.textContent;
  });
}

/** Replaces the open mail. The choices for the preview stay. */
function showMail(mail) {
  const old = byId("mail");
  for (const choice of old.querySelectorAll(".choices :checked")) {
    const same = mail.querySelector(`[name=${choice.name}][value=${choice.value}]`);
    if (same) same.checked = true;
  }
  const hadFocus = old.contains(document.activeElement);
  old.replaceWith(mail);
  const tab = hadFocus && mail.querySelector(".tabs [aria-current]");
  if (tab) tab.focus();
}

/** Completes what the server cannot know: the times in the browser's time zone, and what can be deleted. */
function complete() {
  const now = new Date();
  const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const element of document.querySelectorAll("time")) {
    const moment = new Date(element.dateTime);
    const isToday = moment.toDateString() === now.toDateString();
    element.title = full.format(moment);
    element.textContent = ("full" in element.dataset ? full : isToday ? time : date).format(moment);
  }
  byId("delete-all").disabled = byId("count").dataset.total === "0";
}

// --- Stay up to date ---

let refreshing = false;
let changed = false;

/** Loads the current page again. Calls during a refresh are answered by one more refresh after it. */
async function refresh() {
  changed = true;
  if (refreshing) return;
  refreshing = true;
  while (changed) {
    changed = false;
    await load(location.href).catch(() => {});
    await new Promise((resume) => setTimeout(resume, MIN_REFRESH_INTERVAL_MS));
  }
  refreshing = false;
}

let events = null;
let reconnect = 0;

/** Follows the changes as they happen. If the server has no room for a listener, the page asks every few seconds. */
function connect() {
  clearTimeout(reconnect);
  events?.close();
  events = new EventSource("/events");
  // The first event arrives at once, so a page that was disconnected catches up.
  events.onmessage = () => {
    setLive(true);
    refresh();
  };
  events.onerror = () => {
    setLive(false);
    if (events.readyState !== EventSource.CLOSED) return;
    refresh();
    reconnect = setTimeout(connect, RECONNECT_MS);
  };
}

function setLive(live) {
  byId("live").classList.toggle("is-live", live);
  const text = live ? "Live" : "Reconnecting";
  if (byId("live").textContent !== text) byId("live").textContent = text;
}

// A browser opens few connections to one server; a hidden tab must not keep one of them.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(reconnect);
    events?.close();
  } else {
    connect();
  }
});

// --- Follow links, search, delete ---

async function visit(url, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  // If the page cannot be fetched, the browser shows its own error page.
  await load(url).catch(() => location.reload());
  // On a narrow window either the list or the mail is visible.
  const focused = document.activeElement;
  if (focused !== document.body && focused?.checkVisibility()) return;
  const isListVisible = document.querySelector(".list").checkVisibility();
  (isListVisible ? byId("rows").querySelector("a") : byId("mail"))?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-open]");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  visit(link.href);
});

window.addEventListener("popstate", () => {
  byId("search").value = new URLSearchParams(location.search).get("q") ?? "";
  load(location.href).catch(() => location.reload());
});

let searchDelay = 0;

function search() {
  clearTimeout(searchDelay);
  const words = byId("search").value.trim();
  visit(words ? `/?${new URLSearchParams({ q: words })}` : "/", { replace: true });
}

byId("search").addEventListener("input", () => {
  clearTimeout(searchDelay);
  searchDelay = setTimeout(search, SEARCH_DELAY_MS);
});
byId("search").form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});

async function remove(path) {
  await fetch(path, { method: "DELETE", signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) });
}

/** Deletes the open mail and opens its neighbour. */
async function deleteOpenMail() {
  const button = byId("delete");
  if (!button || button.disabled) return;
  button.disabled = true;
  const row = byId(`row-${button.dataset.id}`);
  const neighbour = (row?.nextElementSibling ?? row?.previousElementSibling)?.querySelector("a");
  await remove(`/api/v1/messages/${encodeURIComponent(button.dataset.id)}`);
  await visit(neighbour ? neighbour.href : `/${location.search}`, { replace: true });
}

document.addEventListener("click", (event) => {
  if (event.target.closest("#delete")) deleteOpenMail().catch(() => setLive(false));
});
byId("delete-all").addEventListener("click", () => {
  const total = Number(byId("count").dataset.total);
  byId("confirm-text").textContent = total === 1 ? "Delete the only mail?" : `Delete all ${total} mails?`;
  byId("confirm").returnValue = "cancel";
  byId("confirm").showModal();
});
byId("confirm").addEventListener("close", () => {
  if (byId("confirm").returnValue !== "delete") return;
  remove("/api/v1/messages").then(() => visit("/")).catch(() => setLive(false));
});

// --- Keys ---

/** Opens the next or the previous mail of the list. */
function step(direction) {
  const links = [...byId("rows").querySelectorAll("a")];
  const open = links.findIndex((link) => link.hasAttribute("aria-current"));
  const link = links[open < 0 ? 0 : open + direction];
  if (!link) return;
  link.focus();
  link.scrollIntoView({ block: "nearest" });
  visit(link.href, { replace: open >= 0 });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("confirm").open) return;
  if (event.target.matches("input[type=search]")) {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      byId("rows").querySelector("a")?.focus();
    }
    return;
  }
  const inList = byId("rows").contains(event.target);
  const action = {
    "/": () => byId("search").focus(),
    "j": () => step(1),
    "k": () => step(-1),
    "ArrowDown": inList && (() => step(1)),
    "ArrowUp": inList && (() => step(-1)),
    "Delete": () => deleteOpenMail().catch(() => setLive(false)),
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

document.documentElement.classList.add("js");
complete();
if (!document.hidden) connect();
