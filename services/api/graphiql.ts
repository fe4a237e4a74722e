/**
 * GraphiQL, wholly from this process: the page, its scripts, and in development a door that signs somebody in by one click.
 * Loaded at the first view only: the scripts are 9 MB.
 */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIPv4 } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { SignJWT } from 'jose';
import { APP_PREFIX, ID_RULE, parseUserId } from '../../schema/ids.ts';
import type { Config } from '../config.ts';
import { isJson, readBody } from '../http-body.ts';
import { packageFile } from '../package-files.ts';
import { isForwarded } from './clients.ts';
import { apiError, badInput } from './errors.ts';
import { accepts, refuse } from './http-answer.ts';
import { isLoopbackName } from './origins.ts';

const PAGE_PATH = '/graphql';
const ASSETS_PATH = '/graphql/page';
const SIGN_IN_PATH = `${ASSETS_PATH}/sign-in`;
const USERS = ['alice', 'bob'];
const TOKEN_HOURS = 12;
/** Those of the page are small and change with the server; a browser asks each time. */
const CACHE = { ours: 'no-cache', graphiql: 'private, max-age=86400' };
/** Nothing from elsewhere, whatever a script tries. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

interface Asset {
  readonly type: string;
  readonly cache: string;
  readonly read: () => Promise<string>;
}
const JS = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const ours = (name: string, type: string): readonly [string, Asset] => [
  name,
  { type, cache: CACHE.ours, read: () => readFile(packageFile(`services/api/page/${name}`), 'utf8') },
];
const bundled = (name: string, type: string, part: keyof typeof PARTS): readonly [string, Asset] => [
  name,
  {
    type,
    cache: CACHE.graphiql,
    read: async () => PARTS[part](await import('@graphql-yoga/render-graphiql/graphiql')),
  },
];
type Bundle = typeof import('@graphql-yoga/render-graphiql/graphiql');
const PARTS = {
  js: ({ js }: Bundle) => js,
  css: ({ css }: Bundle) => css,
  editor: ({ editorWorkerService }: Bundle) => editorWorkerService,
  json: ({ jsonWorker }: Bundle) => jsonWorker,
  graphql: ({ graphqlWorker }: Bundle) => graphqlWorker,
};
const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ours('page.css', CSS),
  ours('page.js', JS),
  ours('fetcher.js', JS),
  ours('tabs.js', JS),
  bundled('graphiql.js', JS, 'js'),
  bundled('graphiql.css', CSS, 'css'),
  bundled('editor-worker.js', JS, 'editor'),
  bundled('json-worker.js', JS, 'json'),
  bundled('graphql-worker.js', JS, 'graphql'),
]);

export class GraphiQL {
  readonly #config: Pick<Config, 'jwt' | 'host'>;
  readonly #zipped = new Map<string, Promise<Buffer>>();

  constructor(config: Pick<Config, 'jwt' | 'host'>) {
    this.#config = config;
  }

  /** False: this request is not for the page. */
  async serve(request: IncomingMessage, response: ServerResponse, path: string): Promise<boolean> {
    const isView = request.method === 'GET' && accepts(request, 'text/html');
    if (isView && path === '/') return redirect(response, PAGE_PATH);
    if (isView && path === PAGE_PATH && !accepts(request, 'text/event-stream')) return this.#page(request, response);
    if (!path.startsWith(`${ASSETS_PATH}/`)) return false;
    if (path === SIGN_IN_PATH) return this.#signIn(request, response);
    const name = path.slice(ASSETS_PATH.length + 1);
    const asset = ASSETS.get(name);
    if (!asset || request.method !== 'GET') return false;
    return this.#send(request, response, name, asset);
  }

  async #page(request: IncomingMessage, response: ServerResponse): Promise<true> {
    const page = await readFile(packageFile('services/api/page/index.html'), 'utf8');
    const settings = { endpoint: PAGE_PATH, users: USERS, signIn: this.#mayIssue(request) ? SIGN_IN_PATH : null };
    const html = page.replace('__SETTINGS__', JSON.stringify(settings).replaceAll('"', '&quot;'));
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': POLICY,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    response.end(html);
    return true;
  }

  async #send(request: IncomingMessage, response: ServerResponse, name: string, asset: Asset): Promise<true> {
    const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const body = zipped ? await this.#zip(name, asset) : Buffer.from(await asset.read());
    response.writeHead(200, {
      'content-type': asset.type,
      'content-length': body.byteLength,
      'cache-control': asset.cache,
      vary: 'accept-encoding',
      'x-content-type-options': 'nosniff',
      ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    });
    response.end(body);
    return true;
  }

  /** The bundle's parts are packed once; our own may be edited while the server runs. */
  #zip(name: string, asset: Asset): Promise<Buffer> {
    const pack = async () => promisify(gzip)(await asset.read());
    if (asset.cache === CACHE.ours) return pack();
    const packing = this.#zipped.get(name) ?? pack();
    this.#zipped.set(name, packing);
    packing.catch(() => this.#zipped.delete(name));
    return packing;
  }

  /**
   * Tokens for the asking: in development only, only on a server that listens on loopback, only for a caller on this machine
   * who knows it by a loopback name, and not through a proxy, which may have been put there for the world. The name keeps out a
   * page whose own name was made to point here.
   */
  #mayIssue(request: IncomingMessage): boolean {
    const { host } = request.headers;
    const { socket } = request;
    const { jwt } = this.#config;
    if (isForwarded(request)) return false;
    if (jwt.kind !== 'secret' || !jwt.development || !isLoopbackAddress(this.#config.host)) return false;
    const named = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
    return isLoopbackName(named) && isLoopbackAddress(socket.remoteAddress ?? '');
  }

  async #signIn(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { jwt } = this.#config;
    if (jwt.kind !== 'secret' || !this.#mayIssue(request)) return false;
    if (request.method !== 'POST' || !isJson(request)) {
      refuse(response, 415, apiError('BAD_USER_INPUT', 'POST with Content-Type: application/json'));
      return true;
    }
    const body = await readBody(request);
    const user = parseUserId(body.kind === 'json' ? (body.value as { user?: unknown } | null)?.user : undefined);
    if (user === undefined || user.startsWith(APP_PREFIX)) {
      refuse(response, 400, badInput('user', ID_RULE));
      return true;
    }
    const name = `${user.slice(0, 1).toUpperCase()}${user.slice(1)}`;
    const token = new SignJWT({ name, [jwt.userClaim]: user }).setProtectedHeader({ alg: 'HS256', typ: 'JWT' });
    token.setIssuedAt().setExpirationTime(`${TOKEN_HOURS}h`);
    if (jwt.issuer !== null) token.setIssuer(jwt.issuer);
    if (jwt.audience !== null) token.setAudience(jwt.audience);
    const signed = await token.sign(new TextEncoder().encode(jwt.secret));
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify({ user, token: signed }));
    return true;
  }
}

const isLoopbackAddress = (address: string): boolean => {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return plain === '::1' || plain === 'localhost' || (isIPv4(plain) && plain.startsWith('127.'));
};

function redirect(response: ServerResponse, to: string): true {
  response.writeHead(302, { location: to }).end();
  return true;
}
