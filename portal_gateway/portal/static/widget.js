// <portal-link portal="success"> and <portal-frame portal="onboarding">: each asks the gateway, in the visitor's own
// browser, whether its portal is open to the visitor, and stays empty without a yes.
//
// What they show is in a shadow root, where morphing, page caches and frameworks neither see nor copy it. Styles are
// constructed and no markup is parsed, so that the strictest Content-Security-Policy finds nothing to object to.

// This file is /<mount>/-/widget.js, or /<mount>/-/assets/widget.<hash>.js.
const MOUNT = /^(.*)\/-\//.exec(new URL(import.meta.url).pathname)?.[1] ?? "/portal";
const MIN_AGE_S = 10; // however soon an answer expires, a page asks once
const MAX_RETRIES = 6; // 2, 4 … 64 seconds after an answer that is neither yes nor no

const TEXTS = {
  hint: " (opens in a new tab)",
  loading: "Loading…",
  slow: "This takes longer than usual. Reload it, or open it in a new tab.",
  ended: "Your session here may have ended. Reload to go on.",
  error: "This could not be opened. Reload it in a moment.",
  reload: "Reload",
  open: "Open in a new tab",
  help: "Nothing to see, or asked to sign in?",
  "help-text":
    "Your browser may keep back the cookies of this portal, since it belongs to another site. " +
    "In a new tab it opens as it should, and you are signed in there already.",
};

function create(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A text that the page may replace, by a child with that `slot`.
const text = (name) => create("slot", { name }, TEXTS[name]);

function styles(css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return sheet;
}

const EMPTY = styles(":host { display: none !important }");
// No box of its own: the anchor is the item of the page's flex row or list.
const LINK = styles(`
:host { display: contents }
a { color: var(--portal-link-color, inherit); font: inherit }
a:focus-visible { outline: 2px solid; outline-offset: 2px }
.hint { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
`);
const FRAME = styles(`
:host { display: flex; flex-direction: column; gap: var(--portal-gap, .5rem); height: 45rem }
:host([hidden]) { display: none }
.bar, details { font-size: .9em }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem; min-height: 2rem }
p { margin: 0 }
.status { flex: 1 1 auto }
a, button, summary { color: var(--portal-link-color, inherit); font: inherit; line-height: 1.5rem; cursor: pointer }
button { padding: .1rem .7rem; border: 1px solid rgb(128 128 128 / .6); background: none;
  border-radius: var(--portal-radius, .4rem) }
:focus-visible { outline: 2px solid; outline-offset: 2px }
.stage { position: relative; flex: 1; min-height: 10rem }
iframe { box-sizing: border-box; width: 100%; height: 100%; border: 1px solid rgb(128 128 128 / .4);
  border-radius: var(--portal-radius, .4rem); background: var(--portal-frame-background, #fff) }
.stage[data-state=loading]::after { content: ""; position: absolute; inset: calc(50% - 1rem) auto auto calc(50% - 1rem);
  width: 2rem; height: 2rem; box-sizing: border-box; border: 3px solid #767676; border-radius: 50%;
  border-top-color: transparent }
@media (prefers-reduced-motion: no-preference) {
  .stage[data-state=loading]::after { animation: turn 1s linear infinite }
}
@keyframes turn { to { rotate: 1turn } }
`);

async function fetchAnswer(url) {
  const response = await fetch(url, { headers: { accept: "application/json" } });
  if (response.ok) return response.json();
  const error = new Error(`${url} answered ${response.status}`);
  error.final = response.status < 500 && response.status !== 429;
  throw error;
}

// What the gateway says of one portal: asked once for all elements of the page that want to know.
class Question {
  elements = new Set();
  #url;
  #asked; // the promise of an answer
  #answer; // what it came to
  #goodUntil = 0;
  #retries = 0;
  #timer;

  constructor(url) {
    this.#url = url;
  }

  join(element) {
    this.elements.add(element);
    this.ask();
    if (this.#answer) element.answered(this.#answer);
  }

  ask() {
    if (performance.now() >= this.#goodUntil) {
      this.#goodUntil = Infinity; // nobody else asks while this one is under way
      const asked = (this.#asked = fetchAnswer(this.#url));
      const settle = (answer, error) => asked === this.#asked && this.#settle(answer, error);
      asked.then((answer) => settle(answer), (error) => settle(undefined, error));
    }
    return this.#asked;
  }

  // Somebody else may be signed in by now.
  forget() {
    clearTimeout(this.#timer);
    this.#asked = this.#answer = undefined;
    this.#goodUntil = this.#retries = 0;
    for (const element of this.elements) element.clear();
    if (this.elements.size) this.ask();
  }

  #settle(answer, error) {
    const age = Math.max(answer?.expires_in ?? 0, MIN_AGE_S);
    this.#goodUntil = performance.now() + age * 1000;
    // A yes outlives the gateway's being away for a moment: the link asks again when it is clicked.
    this.#answer = answer ?? this.#answer;
    for (const element of [...this.elements]) {
      if (answer) element.answered(answer);
      else element.emit("portal-error", { error });
    }
    if (answer ? answer.access !== null : error.final) this.#retries = 0;
    else if (this.#retries < MAX_RETRIES) this.#retryIn(2 ** ++this.#retries * (0.75 + Math.random() / 2));
  }

  #retryIn(seconds) {
    this.#timer = setTimeout(() => {
      this.#goodUntil = 0;
      if (this.elements.size && !document.hidden) this.ask();
    }, seconds * 1000);
  }
}

const questions = new Map();

function questionOf(mount, portal) {
  const url = `${mount ?? MOUNT}/${encodeURIComponent(portal)}/access`;
  return questions.get(url) ?? questions.set(url, new Question(url)).get(url);
}

export function portalAccess(portal, { mount } = {}) {
  return questionOf(mount, portal).ask();
}

export function refreshPortals() {
  for (const question of questions.values()) question.forget();
}

document.addEventListener("portal-refresh", refreshPortals);
window.addEventListener("pageshow", (event) => event.persisted && refreshPortals());
document.addEventListener("visibilitychange", () => {
  for (const question of questions.values()) if (question.elements.size && !document.hidden) question.ask();
});

class PortalElement extends HTMLElement {
  static observedAttributes = ["portal", "project", "label", "mount"];
  #connected = false;
  #question;
  #open = false;
  #replaced; // the style of the element that this one stands for

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [EMPTY];
  }

  connectedCallback() {
    this.#connected = true;
    if (!this.getAttribute("portal")) return;
    this.#question = questionOf(this.getAttribute("mount"), this.getAttribute("portal"));
    this.#question.join(this);
  }

  disconnectedCallback() {
    this.#connected = false;
    this.#question?.elements.delete(this);
    this.clear();
  }

  // With this, `moveBefore` moves the element without the two above, and an iframe stays as it is.
  connectedMoveCallback() {}

  attributeChangedCallback() {
    if (!this.#connected) return;
    this.disconnectedCallback();
    this.connectedCallback();
  }

  answered(answer) {
    if (answer.access !== true) this.clear();
    else if (!this.#open) {
      this.#open = true;
      this.shadowRoot.adoptedStyleSheets = [this.styles];
      this.draw(answer, this.getAttribute("label"));
      this.#hideReplaced();
    }
    this.emit("portal-access", answer);
  }

  clear() {
    if (!this.#open) return;
    this.#open = false;
    this.erase();
    this.shadowRoot.replaceChildren();
    this.shadowRoot.adoptedStyleSheets = [EMPTY];
    this.#hideReplaced();
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: true, composed: true, detail }));
  }

  anchor(url, attributes, ...children) {
    const kept = { target: "_blank", rel: "noopener nofollow", "data-turbo": "false", "data-no-prefetch": "" };
    return create("a", { href: this.chosen(url), ...kept, ...attributes }, ...children);
  }

  chosen(url) {
    const project = this.getAttribute("project");
    return project ? `${url}?project=${encodeURIComponent(project)}` : url;
  }

  #hideReplaced() {
    if (this.#open && this.hasAttribute("replaces")) this.#replaced = this.nextElementSibling?.style;
    // Not `hidden`, which any `display` of the page's own style sheet overrules.
    if (this.#open) this.#replaced?.setProperty("display", "none", "important");
    else this.#replaced?.removeProperty("display");
  }
}

class PortalLink extends PortalElement {
  styles = LINK;
  #observer = new MutationObserver(() => this.#fill());
  #anchor;
  #label;

  connectedCallback() {
    // What a page cache has copied along with the page.
    for (const copy of this.querySelectorAll(":scope > a.portal-link")) copy.remove();
    super.connectedCallback();
  }

  draw(answer, label) {
    this.#label = label || answer.label;
    const light = this.hasAttribute("light");
    this.#anchor = this.anchor(answer.launch_url, light ? { class: "portal-link" } : { part: "link" });
    this.shadowRoot.replaceChildren(light ? create("slot") : this.#anchor);
    this.#fill();
    this.#observer.observe(this, { childList: true });
  }

  erase() {
    this.#observer.disconnect();
    this.#anchor.remove();
  }

  // Again whenever the page changes the children.
  #fill() {
    if (!this.hasAttribute("light")) {
      const hint = create("span", { class: "hint" }, text("hint"));
      this.#anchor.replaceChildren(this.#hasContent() ? create("slot") : this.#label, hint);
    } else if (this.#anchor.parentNode !== this) {
      // Among the page's own elements, whose style sheet makes it look like its neighbours.
      this.#anchor.textContent = this.#label;
      this.append(this.#anchor);
    }
  }

  #hasContent() {
    const isContent = (node) => (node instanceof Text ? node.data.trim() : node.matches?.(":not(noscript, [slot])"));
    return [...this.childNodes].some(isContent);
  }
}

class PortalFrame extends PortalElement {
  styles = FRAME;
  #answer;
  #frame;
  #stage;
  #status;
  #help;
  #timer;
  #loads;
  #onScreen = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && this.#startWaiting());

  draw(answer, label) {
    const { attributes } = answer.frame;
    this.#answer = { ...answer, attributes: { ...attributes, title: label || attributes.title } };
    this.#stage = create("div", { class: "stage", part: "stage" });
    this.#status = create("p", { class: "status", part: "status", role: "status" });
    const reload = create("button", { type: "button", part: "button" }, text("reload"));
    reload.addEventListener("click", () => this.reload());
    const open = this.anchor(answer.launch_url, { part: "open" }, text("open"));
    const explained = create("p", { part: "help-text" }, text("help-text"));
    this.#help = create("details", { part: "help" }, create("summary", {}, text("help")), explained);
    const bar = create("div", { class: "bar", part: "bar" }, this.#status, reload, open);
    this.shadowRoot.replaceChildren(bar, this.#stage, this.#help);
    this.reload();
  }

  erase() {
    clearTimeout(this.#timer);
    this.#onScreen.disconnect();
    this.#frame = undefined;
  }

  // A new element each time: a new address for the old one would be an entry of the page's history.
  reload() {
    if (!this.shadowRoot.hasChildNodes()) return;
    const frame = create("iframe", { ...this.#answer.attributes, part: "frame", class: "portal-frame" });
    this.#frame = frame;
    this.#loads = 0;
    frame.addEventListener("load", () => frame === this.#frame && this.#loaded());
    frame.src = this.chosen(this.#answer.embed_url);
    this.#stage.replaceChildren(frame);
    this.#help.open = false;
    this.#enter("loading");
    // A browser may not begin to load what is far from view.
    this.#onScreen.disconnect();
    this.#onScreen.observe(frame);
  }

  #startWaiting() {
    this.#onScreen.disconnect();
    if (this.#stage.dataset.state === "loading") this.#after(this.#answer.frame.timeout_s, () => this.#troubled());
  }

  #loaded() {
    // Only the gateway's own pages can be looked into: those that say why there is no portal.
    const [navigation] = this.#frame.contentDocument?.defaultView.performance.getEntriesByType("navigation") ?? [];
    if (navigation?.responseStatus >= 400) return this.#enter("error", navigation.responseStatus);
    // What goes round in circles while nobody touches it looks for a cookie that it does not get.
    if (!this.#isInUse()) this.#loads += 1;
    if (this.#loads > 3) return this.#troubled();
    this.#enter("ready");
    if (this.#answer.frame.renew_s) this.#after(this.#answer.frame.renew_s, () => this.#renew());
  }

  // Not under the hands of somebody who is at work in it.
  #renew() {
    if (this.#isInUse()) this.#enter("ended");
    else this.reload();
  }

  #isInUse() {
    return this.shadowRoot.activeElement === this.#frame;
  }

  #troubled() {
    this.#enter("slow");
    this.#help.open = true;
  }

  #after(seconds, callback) {
    this.#timer = setTimeout(callback, seconds * 1000);
  }

  #enter(state, status) {
    clearTimeout(this.#timer);
    this.#stage.dataset.state = state;
    this.#status.replaceChildren(...(state === "ready" ? [] : [text(state)]));
    this.emit("portal-state", { state, status });
  }
}

customElements.get("portal-link") ?? customElements.define("portal-link", PortalLink);
customElements.get("portal-frame") ?? customElements.define("portal-frame", PortalFrame);
