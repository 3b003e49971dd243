import { testDriver } from "../../../test/harness/config_keys.ts";

testDriver(
  "aws",
  `
  provider    name                      name        required     "p"
  provider    driver                    text        "openstack"  "aws"
  provider    max-concurrency           integer     -1           5
  provider    priority                  integer     100          7
  provider    boot-timeout              integer>=1~ 180          90
  provider    launch-timeout            integer>=1~ 3600         90
  provider    launch-retries            integer>=0~ 3            0
  provider    post-upload-hook          text        -            "/usr/bin/hook"
  provider    region-name               text        required     "us-east-1"
  provider    profile-name              text        -            "work"
  provider    rate                      number>=0   2            0.5
  provider    object-storage            record      -            {"bucket-name": "b"}
  provider    object-storage/bucket-name  text      required     "b"
  provider    image-format              ova|vhd|vhdx|vmdk|raw  "raw"  "vhd"
  provider    image-import-timeout      integer>=1~ -            900
  provider    max-servers               integer     -            9
  provider    max-cores                 integer     -            9
  provider    max-ram                   integer     -            9
  provider    max-resources             counts      -            {"L-1216C47A": 20}
  provider    use-internal-ip           boolean     false        true
  provider    host-key-checking         boolean     true         false
  provider    public-ipv4               boolean     true         false
  provider    public-ipv6               boolean     false        true
  provider    cloud-images              list        []           [{"name": "c", "username": "u", "image-id": "ami-1"}]
  cloudimage  name                      text        required     "c"
  cloudimage  username                  text        required     "admin"
  cloudimage  image-id                  text        -            "ami-1"
  cloudimage  image-filters             list        -            [{"name": "name", "values": ["debian*"]}]
  cloudimage  image-filters/0/name      text        required     "name"
  cloudimage  image-filters/0/values    list        required     ["debian*"]
  cloudimage  python-path               text        "auto"       "/usr/bin/python3"
  cloudimage  shell-type                text        -            "cmd"
  cloudimage  connection-type           text        "ssh"        "winrm"
  cloudimage  connection-port           port        -            2222
  provider    diskimages                list        []           [{"name": "d"}]
  diskimage   name                      text        required     "d"
  diskimage   pause                     boolean     false        true
  diskimage   connection-type           text        "ssh"        "winrm"
  diskimage   connection-port           port        -            2222
  diskimage   username                  text        -            "admin"
  diskimage   python-path               text        -            "/usr/bin/python3"
  diskimage   shell-type                text        -            "cmd"
  diskimage   architecture              text        "x86_64"     "arm64"
  diskimage   ena-support               boolean     true         false
  diskimage   volume-size               integer>=1  -            40
  diskimage   volume-type               text        "gp3"        "io2"
  diskimage   import-method             snapshot|ebs-direct|image  "snapshot"  "ebs-direct"
  diskimage   imds-support              v2.0!       -            "v2.0"
  diskimage   iops                      integer>=1  -            3000
  diskimage   throughput                integer>=1  -            125
  diskimage   tags                      texts       -            {"a": "b"}
  provider    pools                     list        []           [{"name": "main"}]
  pool        name                      title       required     "main"
  pool        priority                  integer     -            7
  pool        node-attributes           mapping     {}           {"key": ["value", 1]}
  pool        max-servers               integer     -            0
  pool        max-cores                 integer     -            8
  pool        max-ram                   integer     -            8192
  pool        max-resources             counts      -            {"L-1216C47A": 2}
  pool        security-group-id         text        -            "sg-1"
  pool        subnet-id                 text        -            "subnet-1"
  pool        public-ip-address         boolean     -            false
  pool        public-ipv4               boolean     -            false
  pool        public-ipv6               boolean     -            true
  pool        use-internal-ip           boolean     -            true
  pool        host-key-checking         boolean     -            false
  pool        availability-zone         text        -            "us-east-1a"
  pool        labels                    list        []           [{"name": "l", "key-name": "k", "cloud-image": "c", "instance-type": "t3"}]
  label       name                      text        required     "l"
  label       key-name                  text        required     "k"
  label       cloud-image               text        -            "c"
  label       diskimage                 text        -            "d"
  label       host-key-checking         boolean     -            false
  label       instance-type             text        -            "t3.large"
  label       fleet                     record      -            {"instance-types": ["t3"], "allocation-strategy": "diversified"}
  label       fleet/instance-types      list        required     ["t3.large", "t3.small"]
  label       fleet/allocation-strategy  prioritized|price-capacity-optimized|capacity-optimized|diversified|lowest-price  required  "lowest-price"
  label       ebs-optimized             boolean     false        true
  label       volume-type               text        -            "gp3"
  label       volume-size               integer>=1  -            40
  label       iops                      integer>=1  -            3000
  label       throughput                integer>=1  -            125
  label       userdata                  text        -            "#cloud-config"
  label       iam-instance-profile      record      -            {"name": "n"}
  label       iam-instance-profile/name  text       -            "n"
  label       iam-instance-profile/arn  text        -            "arn:aws:iam::1:instance-profile/x"
  label       tags                      texts       -            {"a": "b"}
  label       dynamic-tags              texts       -            {"a": "{request.id}"}
  label       use-spot                  boolean     false        true
  label       imdsv2                    required|optional  -     "required"
  label       dedicated-host            boolean     false        true
  `,
);
