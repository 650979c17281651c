// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import java.lang.reflect.Proxy;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** SIGHUP, which ends a process that does not listen to it. */
final class HangUp {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private HangUp() {}

    /**
     * From now on runs {@code action} at each SIGHUP. By reflection: the JDK has nothing else for signals, and javac warns of each use of this
     * without a way to say that it is meant.
     */
    static void run(Runnable action) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object acting = Proxy.newProxyInstance(
                    HangUp.class.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                        if (method.getName().equals("handle")) {
                            action.run();
                        }
                        return method.getReturnType() == int.class ? System.identityHashCode(proxy) : null;
                    });
            Object before = signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance("HUP"), acting);
            if (before == handler.getField("SIG_IGN").get(null)) {
                LOG.warn("SIGHUP is ignored in this process, as nohup does; a changed file is seen all the same");
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            LOG.warn("SIGHUP can't be listened to here ({}); a changed file is seen all the same", e.toString());
        }
    }
}
