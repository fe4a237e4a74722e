/** The figures of the receipts' projection. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { OnHalt } from '../halt-metrics.ts';
import type { ReceiptsObserver } from './receipts-projector.ts';

export function receiptsProjectorMetrics(registry: Registry, onHalt: OnHalt): ReceiptsObserver {
  const registers = [registry];
  const lag = new Gauge({
    name: 'lanes_projector_receipts_lag_records',
    help: 'Records of receipts of a partition that are not in MongoDB yet',
    labelNames: ['partition'],
    registers,
  });
  const marks = new Counter({
    name: 'lanes_projector_receipts_marks_total',
    help: 'Marks that were folded into MongoDB',
    registers,
  });
  const documents = new Counter({
    name: 'lanes_projector_receipts_documents_total',
    help: 'Documents that marks were folded into',
    registers,
  });
  const unreadable = new Counter({
    name: 'lanes_projector_receipts_unreadable_total',
    help: 'Records of receipts that cannot be read and were passed over: somebody has to look',
    labelNames: ['partition'],
    registers,
  });
  const purged = new Counter({
    name: 'lanes_projector_receipts_purges_total',
    help: 'Purges of receipts that are old, or in the way, and in MongoDB',
    registers,
  });
  return {
    written: (some, written) => {
      marks.inc(some);
      documents.inc(written);
    },
    unreadable: (partition) => unreadable.inc({ partition }),
    purged: () => purged.inc(),
    behind: (partition, records) => lag.set({ partition }, records),
    halted: onHalt,
    gone: (partition) => {
      lag.remove({ partition });
      onHalt(partition, undefined);
    },
  };
}
