// Custom elements for pages that are the same for everyone: each asks the gateway, in the visitor's own browser, whether
// its portal is open to the visitor, and stays empty if not. The link is a plain anchor, so no pop-up blocker minds it.
const answers = new Map();

// One question per portal and page. A failed one is forgotten, so that the next element asks again.
function accessOf(mount, portal) {
  const url = `${mount}/${encodeURIComponent(portal)}/access`;
  if (!answers.has(url)) {
    const answer = fetch(url, { credentials: "same-origin", headers: { accept: "application/json" } })
      .then((response) => (response.ok ? response.json() : Promise.reject(new Error(`status ${response.status}`))));
    answer.catch(() => answers.delete(url));
    answers.set(url, answer);
  }
  return answers.get(url);
}

class PortalElement extends HTMLElement {
  async connectedCallback() {
    if (this.childElementCount > 0) return;
    const mount = this.getAttribute("mount") ?? "/portal";
    try {
      const answer = await accessOf(mount, this.getAttribute("portal"));
      if (!this.isConnected || this.childElementCount > 0) return;
      if (answer.access === true) {
        this.append(...this.render(answer, this.getAttribute("label") || answer.label));
        // Not `hidden`, which any `display` of the page's own style sheet overrules.
        if (this.hasAttribute("replaces")) this.nextElementSibling?.style.setProperty("display", "none", "important");
      }
      this.dispatchEvent(new CustomEvent("portal-access", { bubbles: true, detail: answer }));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("portal-error", { bubbles: true, detail: error }));
    }
  }

  link(url, text, className) {
    const anchor = document.createElement("a");
    Object.assign(anchor, { href: url, textContent: text, className, target: "_blank", rel: "noopener nofollow" });
    return anchor;
  }
}

customElements.get("portal-link") ?? customElements.define("portal-link", class extends PortalElement {
  render(answer, label) {
    return [this.link(answer.launch_url, label, "portal-link")];
  }
});

customElements.get("portal-frame") ?? customElements.define("portal-frame", class extends PortalElement {
  render(answer, label) {
    const frame = document.createElement("iframe");
    Object.assign(frame, { src: answer.embed_url, title: label, className: "portal-frame", width: "100%", height: "720", loading: "lazy", allow: "storage-access", referrerPolicy: "strict-origin" });
    return [frame, this.link(answer.launch_url, `${label}: open in a new tab`, "portal-frame-open")];
  }
});
