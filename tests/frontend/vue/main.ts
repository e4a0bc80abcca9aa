import { createApp } from "vue";
import { createRouter, createWebHistory } from "vue-router";

import App from "./App.vue";
import Home from "./Home.vue";
import OnboardingPage from "./OnboardingPage.vue";
import Orders from "./Orders.vue";

const router = createRouter({
  history: createWebHistory("/vue/"),
  routes: [
    { path: "/", component: Home },
    { path: "/orders", component: Orders },
    { path: "/onboarding", component: OnboardingPage },
  ],
});
createApp(App).use(router).mount("#app");
