/**
 * CPU time that processes used, from `/proc` (Linux): user and system time of all threads of a process, in microseconds.
 * The kernel counts in ticks of 10 ms, so a reading over several seconds is good to a fraction of a percent.
 */
import { readFileSync } from 'node:fs';

const TICK_US = 10_000;

export type Pids = Readonly<Record<string, number>>;
export interface CpuReading {
  readonly atNs: number;
  readonly usedUs: Readonly<Record<string, number>>;
  /** All processes of the machine together. */
  readonly machineUs: number;
}
export interface CpuUse {
  readonly seconds: number;
  /** µs of CPU by each named process. */
  readonly usedUs: Readonly<Record<string, number>>;
  /** What everybody else on the machine used, as a share of one core. */
  readonly others: number;
}

export function readCpu(pids: Pids): CpuReading {
  const usedUs = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, usedOf(pid)]));
  return { atNs: Number(process.hrtime.bigint()), usedUs, machineUs: machineUsed() };
}

export function cpuBetween(from: CpuReading, to: CpuReading): CpuUse {
  const seconds = (to.atNs - from.atNs) / 1e9;
  const usedUs = Object.fromEntries(
    Object.entries(to.usedUs).map(([name, used]) => [name, used - (from.usedUs[name] ?? 0)]),
  );
  const ours = Object.values(usedUs).reduce((sum, used) => sum + used, 0);
  const others = Math.max(0, to.machineUs - from.machineUs - ours) / (seconds * 1e6);
  return { seconds, usedUs, others };
}

/** 0 where there is no such process. Source of the fields: proc(5), `utime` and `stime`. */
function usedOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return 0;
  }
}

/** user + nice + system + irq + softirq of all cores. */
function machineUsed(): number {
  try {
    const line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '';
    const [, user, nice, system, , , irq, softirq] = line.split(/\s+/).map(Number);
    return ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)) * TICK_US;
  } catch {
    return 0;
  }
}

/** Resident memory in bytes; 0 where there is no such process. */
export function residentOf(pid: number): number {
  try {
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}
