// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/** SIGHUP, which ends a process that does not listen to it. Safe for any thread. */
public final class ReloadSignal {
    private final List<Runnable> actions = new CopyOnWriteArrayList<>();
    private @Nullable String problem;

    private ReloadSignal() {}

    /**
     * From now on SIGHUP does nothing but what is {@link #add added}. By reflection: the JDK has nothing else for
     * signals, and javac warns of each use of this without a way to say that it is meant.
     */
    public static ReloadSignal listen() {
        ReloadSignal hangUp = new ReloadSignal();
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object acting = Proxy.newProxyInstance(
                    ReloadSignal.class.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                        if (method.getName().equals("handle")) {
                            hangUp.act();
                        }
                        return method.getReturnType() == int.class ? System.identityHashCode(proxy) : null;
                    });
            Object before = signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance("HUP"), acting);
            if (before == handler.getField("SIG_IGN").get(null)) {
                // the JVM leaves it so
                hangUp.problem = "SIGHUP is ignored in this process, as nohup does";
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            hangUp.problem = "SIGHUP can't be listened to here (" + e + ")";
        }
        return hangUp;
    }

    /** Why nothing will be heard of the signal; empty if it will. */
    public Optional<String> problem() {
        return Optional.ofNullable(problem);
    }

    /** Runs {@code action}, too, at each SIGHUP from now on; it must not throw. */
    public void add(Runnable action) {
        actions.add(action);
    }

    private void act() {
        actions.forEach(Runnable::run);
    }
}
