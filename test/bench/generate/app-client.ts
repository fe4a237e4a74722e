/** A third party's way in, with the NATS client alone. */
import { connect, type NatsConnection } from 'nats';

export interface AppDoor {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly inboxPrefix: string;
}

export const enter = ({ url, user, password, inboxPrefix }: AppDoor): Promise<NatsConnection> =>
  connect({ servers: url, user, pass: password, inboxPrefix });
