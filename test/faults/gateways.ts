/**
 * Apple's and Firebase's servers of a run, in the run's own process: they log every push with its time, know tokens that are dead,
 * and fall into trouble by plan.
 */
import { type ProvidersOptions, startProviders, type TestProviders } from '../support/providers/all.ts';
import { fcmError } from '../support/providers/google.ts';
import { type Behaviour, json, type Request } from '../support/providers/secure-server.ts';
import { pause } from './commands.ts';
import type { GatewayName, PushSeen } from './push-trace.ts';
import type { Recorder } from './recorder.ts';

export const TROUBLES = ['unavailable', 'unavailable, come later', 'too many', 'reset', 'goaway', 'silence'] as const;
export type TroubleName = (typeof TROUBLES)[number];

const COME_LATER = { 'retry-after': '2' };
const OF_APPLE: Readonly<Record<TroubleName, Behaviour>> = {
  unavailable: json(503, { reason: 'ServiceUnavailable' }),
  'unavailable, come later': json(503, { reason: 'Shutdown' }, COME_LATER),
  'too many': json(429, { reason: 'TooManyRequests' }, COME_LATER),
  reset: 'reset',
  goaway: 'goaway',
  silence: 'silence',
};
const OF_FIREBASE: Readonly<Record<TroubleName, Behaviour>> = {
  unavailable: fcmError(503, 'UNAVAILABLE'),
  'unavailable, come later': fcmError(503, 'UNAVAILABLE', { headers: COME_LATER }),
  'too many': fcmError(429, 'RESOURCE_EXHAUSTED', { code: 'QUOTA_EXCEEDED', headers: COME_LATER }),
  reset: 'reset',
  goaway: 'goaway',
  silence: 'silence',
};

type Asked = Pick<PushSeen, 'token' | 'kind' | 'lane' | 'seq'>;
interface Payload {
  readonly kind: PushSeen['kind'];
  readonly conversationId: string;
  readonly seq?: number;
  readonly readSeq?: number;
}

export class Gateways {
  readonly #recorder: Recorder;
  readonly #troubles = new Map<GatewayName, TroubleName>();
  readonly #dead = new Map<string, number>();
  #providers: TestProviders | undefined;
  /** Called when a push was taken and its answer is not on its way yet. */
  onTaken: ((push: PushSeen) => void) | undefined;
  /** How long a push takes. */
  answerMs = 0;

  private constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  static async open(recorder: Recorder): Promise<Gateways> {
    const gateways = new Gateways(recorder);
    const hooksOf = (name: GatewayName): NonNullable<ProvidersOptions['hooks']>['apns'] => ({
      meets: (request) => gateways.#meets(name, request),
      heard: (request, behaviour) => gateways.#heard(name, request, behaviour),
    });
    gateways.#providers = await startProviders({ hooks: { apns: hooksOf('APNS'), fcm: hooksOf('FCM') } });
    return gateways;
  }

  /** For a notifier. */
  get settings(): Readonly<Record<string, string>> {
    return this.#providers?.settings ?? {};
  }

  begin(gateway: GatewayName, trouble: TroubleName): void {
    this.#troubles.set(gateway, trouble);
  }
  end(gateway: GatewayName): void {
    this.#troubles.delete(gateway);
  }

  /** From this time on. */
  kill(token: string, at: number): void {
    this.#dead.set(token, at);
  }

  async stop(): Promise<void> {
    await this.#providers?.stop();
  }

  async #meets(gateway: GatewayName, request: Request): Promise<Behaviour | undefined> {
    const trouble = this.#troubles.get(gateway);
    if (trouble) return (gateway === 'APNS' ? OF_APPLE : OF_FIREBASE)[trouble];
    if (this.answerMs > 0) await pause(this.answerMs * Math.random());
    const token = askedOf(gateway, request)?.token ?? '';
    const deadAt = this.#dead.get(token) ?? Number.POSITIVE_INFINITY;
    if (deadAt > Date.now()) return undefined;
    return gateway === 'APNS'
      ? json(410, { reason: 'Unregistered', timestamp: Date.now() })
      : fcmError(404, 'NOT_FOUND', { code: 'UNREGISTERED' });
  }

  #heard(gateway: GatewayName, request: Request, behaviour: Behaviour): void {
    const cameAt = Date.now();
    const asked = askedOf(gateway, request);
    if (!asked) {
      this.#recorder.surprise('notifier', `sent ${gateway} what is no push: ${request.path}`);
      return;
    }
    const status = typeof behaviour === 'string' ? 0 : behaviour.status;
    const met = status === 200 ? 'taken' : status === 410 || status === 404 ? 'dead' : 'trouble';
    if (met === 'trouble' && !this.#troubles.has(gateway) && !TROUBLE_STATUS.has(status))
      this.#recorder.surprise('notifier', `its push was refused by ${gateway} with ${status}`);
    const push: PushSeen = { gateway, ...asked, cameAt, met };
    this.#recorder.push(push);
    if (met === 'taken') this.onTaken?.(push);
  }
}

/** What a stretch of trouble that is just over may still answer. 401: an access token of ours had ended. */
const TROUBLE_STATUS = new Set([0, 401, 429, 503]);

/** Undefined: no push in the published form. */
function askedOf(gateway: GatewayName, { path, body }: Request): Asked | undefined {
  try {
    const sent = JSON.parse(body.toString()) as {
      readonly lanes?: Payload;
      readonly message?: { readonly token: string; readonly data: { readonly lanes: string } };
    };
    const token = gateway === 'APNS' ? /^\/3\/device\/([^/]+)$/.exec(path)?.[1] : sent.message?.token;
    const payload = gateway === 'APNS' ? sent.lanes : (JSON.parse(sent.message?.data.lanes ?? '') as Payload);
    const { kind, conversationId: lane, seq, readSeq } = payload ?? ({} as Payload);
    const place = seq ?? readSeq;
    return token === undefined || place === undefined ? undefined : { token, kind, lane, seq: place };
  } catch {
    return undefined;
  }
}
