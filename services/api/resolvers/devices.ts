/** A user's own devices and settings. */
import type {
  MutationRegisterDeviceArgs,
  MutationUnregisterDeviceArgs,
  MutationUpdateSettingsArgs,
} from '../../../schema/generated.ts';
import type { UserId } from '../../../schema/ids.ts';
import { deviceIdOf } from '../../lane/parse.ts';
import { DEFAULT_SETTINGS, type DeviceRecord, type Devices, type Settings } from '../../views/devices.ts';
import type { RequestContext } from '../context.ts';
import { doNotDisturbOf, pushAddressOf } from './device-input.ts';
import { refusedPayload } from './mutation.ts';

type Store = Pick<Devices, 'register' | 'unregister' | 'of' | 'settings' | 'changeSettings'>;

/** `services`: hosts of Web Push beside those of the browsers. */
export const deviceResolvers = (devices: Store, services: readonly string[]) => ({
  Mutation: {
    registerDevice: async (_: unknown, { input }: MutationRegisterDeviceArgs, { identity }: RequestContext) => {
      const device = deviceIdOf('input.device', input.device);
      const push = input.push && pushAddressOf('input.push', input.push, services);
      const registered = await devices.register(identity.actor.user, device, push);
      if (registered.kind === 'registered') return { device: registered.device };
      return refusedPayload({ code: 'DEVICE_LIMIT', message: 'You have as many devices as may be: unregister one.' });
    },
    unregisterDevice: async (_: unknown, { input }: MutationUnregisterDeviceArgs, { identity }: RequestContext) => ({
      changed: await devices.unregister(identity.actor.user, deviceIdOf('input.device', input.device)),
    }),
    updateSettings: async (_: unknown, { input }: MutationUpdateSettingsArgs, { identity }: RequestContext) => {
      const { hideReadMarks } = input;
      const doNotDisturb = input.doNotDisturb && doNotDisturbOf('input.doNotDisturb', input.doNotDisturb);
      return { settings: await devices.changeSettings(identity.actor.user, { hideReadMarks, doNotDisturb }) };
    },
  },
  Me: {
    devices: async (user: UserId): Promise<readonly DeviceRecord[]> => (await devices.of([user])).get(user) ?? [],
    settings: async (user: UserId): Promise<Settings> => (await devices.settings([user])).get(user) ?? DEFAULT_SETTINGS,
  },
  Settings: {
    hideReadMarks: ({ hideReadMarks }: Settings) => hideReadMarks,
    doNotDisturb: ({ doNotDisturb }: Settings) => doNotDisturb ?? null,
  },
  // Nothing of the address: only what is named here can be asked for.
  Device: {
    id: ({ device }: DeviceRecord) => device,
    provider: ({ provider }: DeviceRecord) => provider ?? null,
    lastSeenAt: ({ lastSeenAt }: DeviceRecord) => lastSeenAt,
    tokenState: ({ tokenState }: DeviceRecord) => tokenState ?? null,
  },
});
