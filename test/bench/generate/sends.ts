/** The load generator of P1, P1w, P1f, P2, B1: sends, or what is their limit. */
import { type CommandOptions, openCommandLoad } from './command-load.ts';
import { type HttpOptions, openHttpLoad } from './http-load.ts';
import { type Load, type LoadJob, type LoadResult, runLoad } from './load.ts';
import { openPublishLoad, type PublishOptions } from './publish-load.ts';
import { serve } from './serve.ts';
import { openWsLoad, type WsOptions } from './ws-load.ts';

export interface Sends {
  readonly open: HttpOptions | WsOptions | PublishOptions | CommandOptions;
  readonly opened: undefined;
  readonly run: LoadJob;
  readonly result: LoadResult;
}

let load: Load | undefined;

const openLoad = (options: Sends['open']): Promise<Load> => {
  switch (options.kind) {
    case 'http':
      return openHttpLoad(options);
    case 'ws':
      return openWsLoad(options);
    case 'publish':
      return openPublishLoad(options);
    case 'commands':
      return openCommandLoad(options);
    default:
      return options satisfies never;
  }
};

serve<Sends>({
  open: async (options) => {
    load = await openLoad(options);
    return undefined;
  },
  run: (job) => {
    if (load === undefined) throw new Error('not open');
    return runLoad(load, { ...job, pids: { ...job.pids, generator: process.pid } });
  },
  close: async () => load?.close(),
});
