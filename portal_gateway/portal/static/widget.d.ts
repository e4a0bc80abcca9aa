// Types of /portal/-/widget.js: put this file anywhere among your sources.

declare namespace PortalGateway {
  /** What the gateway says of one portal and the visitor. */
  interface Access {
    portal: string;
    /** `null` when the vendor did not say; the elements ask again by themselves. */
    access: boolean | null;
    label: string;
    launch_url: string | null;
    embed_url: string | null;
    /** Seconds for which the answer holds. */
    expires_in: number;
  }

  /** `slow` is also a portal that keeps on loading; `ended` a session that ends under the visitor's hands. */
  type FrameState = "loading" | "ready" | "slow" | "error" | "ended";

  interface Attributes {
    portal: string;
    /** Instead of the label in the gateway's configuration. */
    label?: string;
    /** One of several projects, by its id. */
    project?: string;
    /** The gateway's path, if the script does not come from there. */
    mount?: string;
  }

  interface LinkAttributes extends Attributes {
    /** Puts the link among the page's own elements, whose style sheet it then follows. */
    light?: boolean | "";
  }

  interface FrameElement extends HTMLElement {
    /** Loads the portal anew, signed in again. */
    reload(): void;
  }
}

declare module "*/-/widget.js" {
  /** Asks once for all who want to know. Rejects when the gateway does not answer. */
  export function portalAccess(portal: string, options?: { mount?: string }): Promise<PortalGateway.Access>;

  /** Somebody signed in or out: all are emptied and ask anew, as after an event `portal-refresh` at `document`. */
  export function refreshPortals(): void;
}

interface HTMLElementTagNameMap {
  "portal-link": HTMLElement;
  "portal-frame": PortalGateway.FrameElement;
}

interface GlobalEventHandlersEventMap {
  "portal-access": CustomEvent<PortalGateway.Access>;
  "portal-error": CustomEvent<{ error: Error }>;
  "portal-state": CustomEvent<{ state: PortalGateway.FrameState; status?: number }>;
}
