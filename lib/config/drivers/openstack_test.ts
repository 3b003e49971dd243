import { testDriver } from "../../../test/harness/config_keys.ts";

testDriver(
  "openstack",
  `
  provider    name                         name        required                      "p"
  provider    driver                       text        "openstack"                   "openstack"
  provider    max-concurrency              integer     -1                            5
  provider    priority                     integer     100                           7
  provider    boot-timeout                 integer>=1~ 60                            90
  provider    launch-timeout               integer>=1~ 3600                          90
  provider    launch-retries               integer>=0~ 3                             0
  provider    image-upload-timeout         integer>=1~ 3600                          90
  provider    image-name-format            format      "{image_name}-{timestamp}"    "a-{upload_id}"
  provider    post-upload-hook             text        -                             "/usr/bin/hook"
  provider    cloud                        text        expected                      "mycloud"
  provider    region-name                  text        -                             "RegionOne"
  provider    rate                         number>=0   1                             0.25
  provider    clean-floating-ips           boolean     false                         true
  provider    port-cleanup-interval        integer     600                           0
  provider    nodepool-id                  text        -                             "old"
  provider    diskimages                   list        []                            [{"name": "d"}]
  diskimage   name                         text        required                      "d"
  diskimage   pause                        boolean     false                         true
  diskimage   connection-type              text        "ssh"                         "winrm"
  diskimage   connection-port              port        -                             2222
  diskimage   meta                         texts       {}                            {"hw_disk_bus": "scsi"}
  diskimage   config-drive                 boolean     -                             true
  provider    cloud-images                 list        []                            [{"name": "c"}]
  cloudimage  name                         text        required                      "c"
  cloudimage  config-drive                 boolean     -                             false
  cloudimage  image-id                     text        -                             "5a1b"
  cloudimage  image-name                   text        -                             "Ubuntu 22.04"
  cloudimage  username                     text        -                             "ubuntu"
  cloudimage  python-path                  text        "auto"                        "/usr/bin/python3"
  cloudimage  shell-type                   text        -                             "cmd"
  cloudimage  connection-type              text        "ssh"                         "winrm"
  cloudimage  connection-port              port        -                             2222
  provider    pools                        list        []                            [{"name": "main"}]
  pool        name                         title       required                      "main"
  pool        max-servers                  integer     -                             0
  pool        max-cores                    integer     -                             8
  pool        max-ram                      integer     -                             8192
  pool        priority                     integer     -                             7
  pool        node-attributes              mapping     {}                            {"key": ["value", 1]}
  pool        networks                     list        -                             ["private"]
  pool        availability-zones           list        -                             ["az1", "az2"]
  pool        security-groups              list        -                             ["ssh"]
  pool        auto-floating-ip             boolean     true                          false
  pool        host-key-checking            boolean     -                             false
  pool        ignore-provider-quota        boolean     false                         true
  pool        max-volumes                  integer     -                             4
  pool        max-volume-gb                integer     -                             400
  pool        labels                       list        []                            [{"name": "l"}]
  label       name                         text        required                      "l"
  label       diskimage                    text        -                             "d"
  label       cloud-image                  text        -                             "c"
  label       min-ram                      integer     -                             8192
  label       flavor-name                  text        -                             "m1.small"
  label       key-name                     text        -                             "key"
  label       console-log                  boolean     false                         true
  label       boot-from-volume             boolean     false                         true
  label       volume-size                  integer>=1  50                            80
  label       instance-properties          texts       -                             {"a": "b"}
  label       dynamic-instance-properties  texts       -                             {"a": "{request.id}"}
  label       userdata                     text        -                             "#cloud-config"
  label       networks                     list        -                             ["public"]
  label       host-key-checking            boolean     -                             true
  `,
);
