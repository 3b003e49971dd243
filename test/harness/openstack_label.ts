import type { LabelSettings } from "../../lib/provider/openstack/settings.ts";

/** What a label of an OpenStack pool says that says nothing but this. */
export function openStackLabel(changes: Partial<LabelSettings> = {}): LabelSettings {
  return {
    pool: "main",
    label: "small",
    cloudImage: null,
    minRam: null,
    flavorName: null,
    keyName: null,
    volumeSize: null,
    properties: {},
    dynamicProperties: {},
    userData: null,
    networks: [],
    zones: [],
    securityGroups: [],
    autoFloatingIp: true,
    configDrive: undefined,
    ...changes,
  };
}
