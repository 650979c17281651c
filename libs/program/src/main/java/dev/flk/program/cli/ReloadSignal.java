// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * The signal SIGHUP, which makes the programs reload their configuration. Without a handler, this signal ends a
 * process. Safe for any thread.
 */
public final class ReloadSignal {
    private final List<Runnable> actions = new CopyOnWriteArrayList<>();
    private @Nullable String problem;

    private ReloadSignal() {}

    /**
     * Installs a handler for SIGHUP. The signal then runs the actions that are {@link #add added}, and no longer ends
     * the process. The handler is installed by reflection, because the JDK's only API for signals is internal, and
     * javac's warning about a direct use of this API can't be suppressed.
     */
    public static ReloadSignal listen() {
        ReloadSignal onReloadSignal = new ReloadSignal();
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object acting = Proxy.newProxyInstance(
                    ReloadSignal.class.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                        if (method.getName().equals("handle")) {
                            onReloadSignal.act();
                        }
                        return method.getReturnType() == int.class ? System.identityHashCode(proxy) : null;
                    });
            Object before = signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance("HUP"), acting);
            if (before == handler.getField("SIG_IGN").get(null)) {
                // if the process was started with SIGHUP ignored, the JVM does not install the handler
                onReloadSignal.problem = "SIGHUP is ignored in this process, as in every process that nohup starts";
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            onReloadSignal.problem = "SIGHUP can't be handled in this process (" + e + ")";
        }
        return onReloadSignal;
    }

    /** Returns the reason why the signal can't be received; empty if the signal can be received. */
    public Optional<String> problem() {
        return Optional.ofNullable(problem);
    }

    /** Adds an action to run at each SIGHUP from now on; the action must not throw. */
    public void add(Runnable action) {
        actions.add(action);
    }

    private void act() {
        actions.forEach(Runnable::run);
    }
}
