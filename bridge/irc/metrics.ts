/** The figures of this room. */
import { Counter, Gauge, type Registry } from 'prom-client';

export type IrcMetrics = ReturnType<typeof ircMetrics>;

export function ircMetrics(registry: Registry, now: () => { readonly connections: number; readonly channels: number }) {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        this.set(read());
      },
    });
  gauge('lanes_irc_connections', 'Open connections', () => now().connections);
  gauge('lanes_irc_channels', 'Channels that are open on them', () => now().channels);
  return {
    lines: new Counter({
      name: 'lanes_irc_lines_total',
      help: 'Lines read from clients and written to them',
      labelNames: ['direction'] as const,
      registers,
    }),
    sends: new Counter({
      name: 'lanes_irc_sends_total',
      help: 'Messages of clients, by what became of them',
      labelNames: ['outcome'] as const,
      registers,
    }),
    parks: new Counter({ name: 'lanes_irc_parks_total', help: 'Times that a client took too little', registers }),
    closes: new Counter({
      name: 'lanes_irc_closes_total',
      help: 'Connections closed by this side',
      labelNames: ['reason'] as const,
      registers,
    }),
  };
}
