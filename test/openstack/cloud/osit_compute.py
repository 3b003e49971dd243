# Nova's fake driver, with faults that a test asks for in the *metadata* of the server it boots (values are texts):
#   osit-delay=SECONDS         stay in BUILD that long before spawning
#   osit-fail=abort            spawn fails for good: server ERROR
#   osit-fail=quota            spawn fails with a message that speaks of a quota
#   osit-fail=reschedule       spawn fails, Nova tries the next host (if any)
#   osit-delete-delay=SECONDS  stay in task_state "deleting" that long
#   osit-fail-delete=N         the first N destroys fail: server ERROR, still listed; the next DELETE works again
# Nova loads drivers by a path below nova.virt only, hence sys.modules.
import sys
import types

from nova.cmd import compute          # first: it applies eventlet's patches
import eventlet
from nova import exception
from nova.virt import fake


class ScriptedDriver(fake.FakeDriver):
    failed_deletes = {}

    def spawn(self, context, instance, *args, **kwargs):
        wish = instance.metadata
        eventlet.sleep(float(wish.get('osit-delay', 0)))
        if wish.get('osit-fail') == 'abort':
            raise exception.BuildAbortException(
                instance_uuid=instance.uuid, reason='asked for by osit-fail')
        if wish.get('osit-fail') == 'quota':
            raise exception.BuildAbortException(
                instance_uuid=instance.uuid, reason='Quota exceeded for resources: port')
        if wish.get('osit-fail') == 'reschedule':
            raise exception.ComputeResourcesUnavailable(
                reason='asked for by osit-fail')
        return super().spawn(context, instance, *args, **kwargs)

    def destroy(self, context, instance, *args, **kwargs):
        wish = instance.metadata
        eventlet.sleep(float(wish.get('osit-delete-delay', 0)))
        failed = self.failed_deletes.get(instance.uuid, 0)
        if failed < int(wish.get('osit-fail-delete', 0)):
            self.failed_deletes[instance.uuid] = failed + 1
            raise exception.InstanceTerminationFailure(
                reason='asked for by osit-fail-delete')
        return super().destroy(context, instance, *args, **kwargs)


module = types.ModuleType('nova.virt.osit')
module.ScriptedDriver = ScriptedDriver
sys.modules['nova.virt.osit'] = module

if __name__ == '__main__':
    sys.exit(compute.main())
