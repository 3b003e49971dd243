# Cinder: a driver that stores nothing, and takes images as well.
from cinder.tests.fake_driver import FakeLoggingVolumeDriver


class StoresNothing(FakeLoggingVolumeDriver):
    def copy_image_to_volume(self, context, volume, image_service, image_id,
                             disable_sparse=False):
        pass
