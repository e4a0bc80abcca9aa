import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Route, Routes } from "react-router";

import { refreshPortals } from "/portal/-/widget.js";

import { Onboarding, PortalMenu } from "./portals";

function App() {
  return (
    <BrowserRouter basename="/react">
      <header>
        <nav>
          <Link to="/">Home</Link> <Link to="/orders">Orders</Link> <Link to="/onboarding">Onboarding</Link>
        </nav>
        <PortalMenu />
        <button onClick={() => fetch("/out").then(refreshPortals)}>Sign out</button>
      </header>
      <main>
        <Routes>
          <Route path="/" element={<h1>Home</h1>} />
          <Route path="/orders" element={<Orders />} />
          <Route path="/onboarding" element={<OnboardingPage />} />
        </Routes>
      </main>
    </BrowserRouter>
  );
}

function Orders() {
  return (
    <>
      <h1>Orders</h1>
      <p>
        Questions? <portal-link portal="success">Ask in the portal</portal-link>
      </p>
    </>
  );
}

function OnboardingPage() {
  return (
    <>
      <h1>Onboarding</h1>
      <Onboarding />
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
