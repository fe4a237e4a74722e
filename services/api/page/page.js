/**
 * The page around GraphiQL: signs in, and gives GraphiQL its tabs and a fetcher that reads event streams. Each browser tab is
 * somebody of its own: alice in one, bob in another.
 */
import { fetcherWith } from './fetcher.js';
import { tabsFor } from './tabs.js';

const settings = JSON.parse(document.querySelector('meta[name=settings]').content);
const ASSETS = new URL('.', import.meta.url);
const SIGNED_IN = 'lanes:signed-in';
const EDITOR = 'lanes:graphiql:';
/** The conversation of the tabs: the same in every tab of this browser. */
const CONVERSATION = 'lanes:conversation';

const element = (selector) => document.querySelector(selector);
const button = (text, onClick) => {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = text;
  made.addEventListener('click', onClick);
  return made;
};

const signedIn = () => JSON.parse(sessionStorage.getItem(SIGNED_IN) ?? 'null');

function signInWith(user, token) {
  // Tabs of an earlier token carry that token in their headers.
  forgetEditor();
  sessionStorage.setItem(SIGNED_IN, JSON.stringify({ user, token }));
  location.assign(settings.endpoint);
}

function forgetEditor() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(EDITOR)) sessionStorage.removeItem(key);
}

function signOut(problem = '') {
  sessionStorage.removeItem(SIGNED_IN);
  forgetEditor();
  sessionStorage.setItem('lanes:problem', problem);
  location.assign(settings.endpoint);
}

async function signInAs(user) {
  const answer = await fetch(settings.signIn, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user }),
  });
  const body = await answer.json();
  if (body.token) signInWith(user, body.token);
  else element('#problem').textContent = body.errors?.[0]?.message ?? 'That did not work.';
}

/** Who a token speaks of; it is not checked here. */
function subjectOf(token) {
  try {
    return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).sub;
  } catch {
    return undefined;
  }
}

function conversation() {
  const known = localStorage.getItem(CONVERSATION);
  if (known) return known;
  const made = `try-${crypto.randomUUID().slice(0, 8)}`;
  localStorage.setItem(CONVERSATION, made);
  return made;
}

/** GraphiQL's state, for as long as this browser tab lives. */
const storage = {
  getItem: (key) => sessionStorage.getItem(EDITOR + key),
  setItem: (key, value) => sessionStorage.setItem(EDITOR + key, value),
  removeItem: (key) => sessionStorage.removeItem(EDITOR + key),
  clear: forgetEditor,
  get length() {
    return Object.keys(sessionStorage).filter((key) => key.startsWith(EDITOR)).length;
  },
};

function showWelcome() {
  element('#welcome').hidden = false;
  element('#who').textContent = 'GraphQL API';
  element('#problem').textContent = sessionStorage.getItem('lanes:problem') ?? '';
  sessionStorage.removeItem('lanes:problem');
  element('#how').textContent = settings.signIn
    ? 'This is a development installation: one click makes a token. Be alice here, open this page in a second tab and be bob.'
    : 'Paste a token that this installation trusts. It stays in this browser tab.';
  if (settings.signIn)
    element('#users').append(...settings.users.map((user) => button(`Sign in as ${user}`, () => signInAs(user))));
  element('#paste').addEventListener('submit', (event) => {
    event.preventDefault();
    const token = element('#token')
      .value.trim()
      .replace(/^Bearer /i, '');
    const user = subjectOf(token);
    if (user) signInWith(user, token);
    else element('#problem').textContent = 'That is not a JSON Web Token.';
  });
}

function loadScript(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = new URL(name, ASSETS);
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${name} did not load`));
    document.head.append(script);
  });
}

async function showGraphiQL({ user, token }) {
  element('#who').textContent = `signed in as ${user}`;
  const others = settings.signIn ? settings.users.filter((other) => other !== user) : [];
  element('#actions').append(
    ...others.map((other) => button(`Be ${other}`, () => signInAs(other))),
    button('Sign out', () => signOut()),
  );
  const workers = {
    editorWorkerService: 'editor-worker.js',
    json: 'json-worker.js',
    graphql: 'graphql-worker.js',
  };
  self.MonacoEnvironment = { globalAPI: false, getWorkerUrl: (_, label) => new URL(workers[label], ASSETS).href };
  await loadScript('graphiql.js');
  globalThis.YogaGraphiQL.renderYogaGraphiQL(element('#graphiql'), {
    title: 'Lanes',
    logo: '',
    fetcher: fetcherWith(settings.endpoint, token, () => signOut('The token is not accepted any more. Sign in again.')),
    storage,
    shouldPersistHeaders: true,
    defaultEditorToolsVisibility: 'variables',
    defaultTabs: tabsFor(user, token, conversation()),
  });
}

const me = signedIn();
if (me) await showGraphiQL(me);
else showWelcome();
