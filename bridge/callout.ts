/**
 * The door for integrations: NATS asks, for every connection whose user it does not know, who that is and what it may (auth callout),
 * whether it comes by NATS, WebSocket or MQTT. Several instances share the questions. Our own rooms are users of the server's
 * configuration and never wait for an answer from here.
 */
import type { AuthorizationRequest, ConnectionType } from '@nats-io/jwt';
import { encodeAuthorizationResponse, encodeUser, fromPublic } from '@nats-io/jwt';
import type { Msg } from 'nats';
import { type Millis, userOfApp } from '../schema/ids.ts';
import { MQTT_ACCOUNT_SUFFIX } from '../schema/subjects.ts';
import { type CalloutKeys, readCalloutKeys } from '../services/callout-keys.ts';
import { type Config, ConfigError, type NatsAddress } from '../services/config.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import type { Stoppable } from '../services/journal/journal.ts';
import { type Link, openLink } from '../services/journal/link.ts';
import type { Logger } from '../services/logger.ts';
import { within } from '../services/within.ts';
import { hasMappings, ownAccountOf } from './door-checks.ts';
import { connectionNameOf, DoorConnections } from './door-connections.ts';
import type { DoorMetrics } from './door-metrics.ts';
import { Floods } from './floods.ts';
import { type GateLinks, openGate } from './gate.ts';
import { type Claim, judge, sinceOf, type Verdict } from './judge.ts';
import { nativeSigner, readSigned } from './native-keys.ts';
import { type Door, rightsOf } from './rights.ts';

const AUTH_SUBJECT = '$SYS.REQ.USER.AUTH';
const QUEUE = 'lanes-callout';
const SERVER_KEY_HEADER = 'Nats-Server-Xkey';
/** Questions under way; the server gives each up after 2 s, so that more would be answered for nobody. */
const UNDER_WAY_MAX = 256;
/** Open connections of one integration, of all bridges together. */
export const CONNECTIONS_MAX = 64;
/** Without a user of the system account nobody can be put out: then rights end by themselves, and are asked for again. */
const RIGHTS_SECONDS = 300;
/** A connection let in by another bridge, that had not heard yet, shows up a little later. */
const REVIEW_AGAIN_MS = 700;
const STOP_MS = 2_000;

export interface CalloutParts {
  readonly config: Pick<Config, 'nats' | 'natsBridge' | 'natsSys' | 'natsCalloutSeedFile'>;
  readonly registry: Integrations;
  readonly log: Logger;
  /** Of the servers, which decide when rights end. */
  readonly clock?: () => Millis;
  readonly metrics?: DoorMetrics;
  /** Who is put out for a while. */
  readonly floods?: Floods;
  /** Default: `CONNECTIONS_MAX`. */
  readonly connectionsMax?: number;
  /** How long rights are good without a user of the system account; default: 5 minutes. */
  readonly rightsSeconds?: number;
  /** Ends the waiting for a first connection. */
  readonly signal?: AbortSignal;
}

/**
 * Answers the servers' questions, opens the gate (`gate.ts`), and puts out whose secret was rotated or revoked, until it is stopped;
 * the registry stays the caller's. Settles when it listens. Throws ConfigError, one line, where its user, its seeds or its account
 * are not as they must be.
 */
export async function openCallout(parts: CalloutParts): Promise<{ stop(): Promise<void> }> {
  const { config, log, signal } = parts;
  const { natsBridge, natsSys, natsCalloutSeedFile } = config;
  if (natsBridge === null)
    throw new ConfigError('LANES_NATS_BRIDGE_USER and LANES_NATS_BRIDGE_PASSWORD are not set: docs/bridge.md');
  if (natsCalloutSeedFile === null) throw new ConfigError('LANES_NATS_CALLOUT_SEED_FILE is not set: docs/bridge.md');
  const { issuer, curve } = readCalloutKeys(natsCalloutSeedFile);
  const keys = { issuer: nativeSigner(issuer), curve };
  const open = (address: NatsAddress, name: string): Promise<Link> => openLink({ ...address, log, name, signal });
  const link = await open(natsBridge, 'bridge-doors');
  let sys: Link | undefined;
  let gate: GateLinks | undefined;
  try {
    const account = await ownAccountOf(link, config.nats, open);
    if (natsSys) sys = await open({ ...config.nats, ...natsSys, credsFile: null }, 'bridge-sys');
    else
      log.warn(
        'LANES_NATS_SYS_USER is not set: revoked integrations stay for up to 5 minutes, connections are not counted',
      );
    if (!(await hasMappings(link)))
      log.error(
        { alarm: 'mappings' },
        'the integrations’ account has no mappings: they cannot use JetStream (docs/bridge.md)',
      );
    // Who comes in, what passes and what is discovered do not wait for each other.
    const [through, discovery] = [await open(natsBridge, 'bridge-gate'), await open(natsBridge, 'bridge-discovery')];
    gate = { through, discovery };
    return new Callout(parts, { keys, link, sys, gate, account });
  } catch (error) {
    await Promise.all([link.close(), sys?.close()]);
    throw error;
  }
}

interface Opened {
  readonly keys: CalloutKeys;
  readonly link: Link;
  readonly sys: Link | undefined;
  readonly gate: GateLinks;
  readonly account: string;
}

class Callout {
  readonly #parts: CalloutParts;
  readonly #keys: CalloutKeys;
  readonly #link: Link;
  readonly #sys: Link | undefined;
  readonly #gate: GateLinks;
  readonly #floods: Floods;
  readonly #account: string;
  readonly #log: Logger;
  readonly #connections: DoorConnections | undefined;
  readonly #stops: Stoppable[];
  readonly #questions: { drain(): Promise<void> };
  readonly #underWay = new Set<Promise<void>>();
  #reviewing: NodeJS.Timeout | undefined;

  constructor(parts: CalloutParts, { keys, link, sys, gate, account }: Opened) {
    const { registry, log, metrics, floods = new Floods(log) } = parts;
    this.#parts = parts;
    this.#keys = keys;
    this.#link = link;
    this.#sys = sys;
    this.#gate = gate;
    this.#floods = floods;
    this.#account = account;
    this.#log = log;
    this.#connections =
      sys &&
      new DoorConnections({
        sys,
        accounts: Object.values(accountsOf(account)),
        log,
        mayStay: ({ app, since }) => {
          const integration = registry.get(app);
          if (floods.isOut(app)) return false;
          return !integration || (integration.revokedAt === undefined && since >= sinceOf(integration));
        },
      });
    this.#stops = [
      openGate({ ...gate, floods, log, observe: (outcome) => metrics?.gate(outcome) }),
      registry.listen(() => this.#review()),
      floods.listen(() => this.#review()),
    ];
    const at = { subject: AUTH_SUBJECT, queue: QUEUE };
    const ended = (): void => log.error({ alarm: 'callout' }, 'the server lets nobody answer its questions any more');
    this.#questions = link.serve(at, (message) => this.#asked(message), ended);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#reviewing);
    // What the server has given to us already nobody else would answer.
    await within(STOP_MS, this.#questions.drain());
    for (const one of this.#stops) one.stop();
    await Promise.all(this.#underWay);
    await this.#connections?.stop();
    const { through, discovery } = this.#gate;
    await Promise.all([this.#link.close(), through.close(), discovery.close(), this.#sys?.close()]);
  }

  #review(): void {
    this.#connections?.review();
    clearTimeout(this.#reviewing);
    this.#reviewing = setTimeout(() => this.#connections?.review(), REVIEW_AGAIN_MS);
  }

  #asked(message: Msg): void {
    if (this.#underWay.size >= UNDER_WAY_MAX) {
      this.#parts.metrics?.door('overloaded');
      return;
    }
    const answering = this.#answer(message)
      .catch((error) => this.#log.error({ err: error }, 'a question of who somebody is could not be answered'))
      .finally(() => this.#underWay.delete(answering));
    this.#underWay.add(answering);
  }

  /** An empty answer is a no, at once; the reason is nobody's business but ours. Of what cannot be read nothing can be said. */
  async #answer(message: Msg): Promise<void> {
    const reply = message.reply ?? '';
    const serverKey = message.headers?.get(SERVER_KEY_HEADER) ?? '';
    const request = this.#open(message, serverKey);
    if (!request) {
      this.#parts.metrics?.door('unreadable');
      return;
    }
    const verdict = await this.#verdictOf(claimOf(request));
    this.#parts.metrics?.door(verdict.kind === 'in' ? 'in' : verdict.why);
    if (verdict.kind === 'out') {
      const { host } = request.client_info;
      this.#log.warn({ app: verdict.app, why: verdict.why, host }, 'an integration is not let in');
      this.#link.send(reply, '');
      return;
    }
    const answer = Buffer.from(await this.#rights(request, verdict));
    const { curve } = this.#keys;
    this.#link.send(reply, curve && serverKey !== '' ? curve.seal(answer, serverKey) : answer);
    const { app } = verdict.integration;
    this.#connections?.expect({
      server: request.server_id.id,
      cid: request.client_info.id ?? 0,
      app,
      since: verdict.since,
    });
  }

  /** Who was made or given a new secret this moment is looked for in the registry itself, before it is sent away. */
  async #verdictOf(claim: Claim): Promise<Verdict> {
    const { registry, connectionsMax = CONNECTIONS_MAX } = this.#parts;
    const judged = () =>
      judge(
        claim,
        (app) => registry.get(app),
        (app) => (this.#connections?.countOf(app) ?? 0) < connectionsMax,
      );
    const first = judged();
    if (first.kind === 'in' && this.#floods.isOut(first.integration.app))
      return { kind: 'out', why: 'flood', app: first.integration.app };
    if (first.kind === 'in' || (first.why !== 'no integration' && first.why !== 'password')) return first;
    await registry.refresh();
    return judged();
  }

  #open(message: Msg, serverKey: string): AuthorizationRequest | undefined {
    const { issuer, curve } = this.#keys;
    try {
      const data = serverKey === '' ? message.data : curve?.open(message.data, serverKey);
      if (!data) throw new Error('it is encrypted for another key than the seed file’s');
      const claims = readSigned(Buffer.from(data).toString('utf8'));
      if (claims.sub !== issuer.getPublicKey())
        throw new Error(`the server trusts the issuer ${claims.sub}, the seed file is of ${issuer.getPublicKey()}`);
      return claims.nats as AuthorizationRequest;
    } catch (error) {
      const reason = (error as Error).message;
      this.#log.error(
        { alarm: 'callout', reason },
        'a server’s question cannot be read: is the seed file the right one?',
      );
      return undefined;
    }
  }

  async #rights(request: AuthorizationRequest, verdict: Verdict & { kind: 'in' }): Promise<string> {
    const { issuer } = this.#keys;
    const { integration, door, since } = verdict;
    const { publish, subscribe } = rightsOf(integration.app, door);
    const user = fromPublic(request.user_nkey);
    const jwt = await encodeUser(
      connectionNameOf(userOfApp(integration.app), since),
      user,
      issuer,
      {
        pub: { allow: [...publish], deny: [] },
        sub: { allow: [...subscribe], deny: [] },
        allowed_connection_types: CONNECTION_TYPES[door],
      },
      {
        aud: accountsOf(this.#account)[door],
        ...(this.#connections
          ? {}
          : {
              exp: Math.floor((this.#parts.clock ?? Date.now)() / 1000) + (this.#parts.rightsSeconds ?? RIGHTS_SECONDS),
            }),
      },
    );
    return encodeAuthorizationResponse(user, fromPublic(request.server_id.id), issuer, { jwt }, {});
  }
}

const accountsOf = (account: string): Record<Door, string> => ({
  nats: account,
  mqtt: `${account}${MQTT_ACCOUNT_SUFFIX}`,
});

const CONNECTION_TYPES: Record<Door, ConnectionType[]> = {
  nats: ['STANDARD', 'WEBSOCKET'],
  mqtt: ['MQTT', 'MQTT_WS'],
};

const claimOf = ({ client_info: client, connect_opts: connect }: AuthorizationRequest): Claim => ({
  user: connect.user ?? '',
  password: connect.pass ?? '',
  kind: client.kind ?? '',
  type: client.type ?? '',
  clientId: client.mqtt_id ?? '',
});
