// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** SIGHUP, which ends a process that does not listen to it. Safe for any thread. */
final class HangUp {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    private final List<Runnable> actions = new CopyOnWriteArrayList<>();
    private String trouble = "";

    private HangUp() {}

    /**
     * From now on SIGHUP does nothing but what is {@link #add added}. By reflection: the JDK has nothing else for signals, and javac warns of
     * each use of this without a way to say that it is meant.
     */
    static HangUp listen() {
        HangUp hangUp = new HangUp();
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object acting = Proxy.newProxyInstance(
                    HangUp.class.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                        if (method.getName().equals("handle")) {
                            hangUp.act();
                        }
                        return method.getReturnType() == int.class ? System.identityHashCode(proxy) : null;
                    });
            Object before = signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance("HUP"), acting);
            if (before == handler.getField("SIG_IGN").get(null)) {
                hangUp.trouble = "SIGHUP is ignored in this process, as nohup does";
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            hangUp.trouble = "SIGHUP can't be listened to here (" + e + ")";
        }
        return hangUp;
    }

    /** Runs {@code action}, too, at each SIGHUP from now on; it must not throw. */
    void add(Runnable action) {
        if (actions.isEmpty() && !trouble.isEmpty()) {
            LOG.warn("{}; a changed file is seen all the same", trouble);
        }
        actions.add(action);
    }

    private void act() {
        if (actions.isEmpty()) {
            LOG.info("SIGHUP: there is no file to be read again; other changes need a restart");
        }
        actions.forEach(Runnable::run);
    }
}
