// What is known of public clouds: a cloud of clouds.yaml that names one as its `profile` starts from it. Taken from the
// vendor files of openstacksdk, as far as the clouds speak Identity v3 and are still there.

interface PublicCloud {
  readonly authUrl: string;
  readonly regions?: readonly string[];
  readonly more?: Readonly<Record<string, unknown>>;
}

const NO_FLOATING_IPS = { floating_ip_source: "None" };
const RAW = { image_format: "raw" };

const PUBLIC_CLOUDS: Readonly<Record<string, PublicCloud>> = {
  auro: {
    authUrl: "https://api.van2.auro.io:5000/v3",
    more: { region_name: "RegionOne", requires_floating_ip: true },
  },
  betacloud: { authUrl: "https://api-1.betacloud.io:5000", regions: ["betacloud-1"], more: RAW },
  binero: { authUrl: "https://auth.binero.cloud:5000/v3", regions: ["europe-se-1"] },
  catalyst: {
    authUrl: "https://api.cloud.catalyst.net.nz:5000",
    regions: ["nz-por-1", "nz_wlg_2"],
    more: RAW,
  },
  citycloud: {
    authUrl: "https://{region_name}.citycloud.com:5000/v3/",
    regions: ["Buf1", "Fra1", "Lon1", "Sto2", "Kna1", "dx1", "tky1"],
    more: { requires_floating_ip: true },
  },
  elastx: { authUrl: "https://ops.elastx.cloud:5000/v3", more: { region_name: "se-sto" } },
  fuga: { authUrl: "https://identity.api.fuga.io:5000", regions: ["cystack"] },
  limestonenetworks: {
    authUrl: "https://auth.cloud.lstn.net:5000/v3",
    regions: ["us-dfw-1", "us-slc"],
    more: {
      ...RAW,
      networks: [
        { name: "Public Internet", routes_externally: true, default_interface: true, nat_source: true },
        { name: "DDoS Protected", routes_externally: true },
        { name: "Private Network (10.0.0.0/8 only)", routes_externally: false },
        { name: "Private Network (Floating Public)", routes_externally: false, nat_destination: true },
      ],
    },
  },
  otc: {
    authUrl: "https://iam.%(region_name)s.otc.t-systems.com/v3",
    regions: ["eu-de"],
    more: { image_format: "vhd" },
  },
  ovh: {
    authUrl: "https://auth.cloud.ovh.net/v3",
    // Its regions come and go: any name is taken.
    more: NO_FLOATING_IPS,
  },
  switchengines: { authUrl: "https://keystone.cloud.switch.ch:5000/v3", regions: ["LS", "ZH"], more: RAW },
  vexxhost: {
    authUrl: "https://auth.vexxhost.net/v3",
    regions: ["ca-ymq-1"],
    more: { ...RAW, ...NO_FLOATING_IPS, requires_floating_ip: false },
  },
};

/** The names of all. */
export const PROFILE_NAMES: readonly string[] = Object.keys(PUBLIC_CLOUDS);

/** The keys of a public cloud as clouds.yaml would have them; null for one that is not known. */
export function profileOf(name: string): Record<string, unknown> | null {
  const cloud = Object.hasOwn(PUBLIC_CLOUDS, name) ? PUBLIC_CLOUDS[name] : undefined;
  if (cloud === undefined) return null;
  const { authUrl, regions, more } = cloud;
  return { auth: { auth_url: authUrl }, ...(regions === undefined ? {} : { regions }), ...more };
}
