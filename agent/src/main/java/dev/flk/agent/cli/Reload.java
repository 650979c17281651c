// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.run.Agent;
import dev.flk.program.config.InvalidConfig;
import java.lang.reflect.Proxy;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** SIGHUP reads the configuration and the key again; a configuration with a mistake changes nothing. */
final class Reload {
    private static final Logger LOG = LoggerFactory.getLogger(Reload.class);

    private Reload() {}

    static void onHangUp(Context context, Agent agent) {
        onSignal("HUP", () -> {
            try {
                agent.reload(context.config(Need.ENDPOINT, Need.SIGNING));
            } catch (InvalidConfig e) {
                e.problems().forEach(problem -> LOG.error("SIGHUP: {}; the agent goes on as it was", problem));
            }
        });
    }

    /** By reflection: the JDK has nothing else for signals, and javac warns of each use of this without a way to say that it is meant. */
    private static void onSignal(String name, Runnable action) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object acting = Proxy.newProxyInstance(
                    Reload.class.getClassLoader(), new Class<?>[] {handler}, (proxy, method, arguments) -> {
                        if (method.getName().equals("handle")) {
                            action.run();
                        }
                        return method.getReturnType() == int.class ? System.identityHashCode(proxy) : null;
                    });
            Object before = signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), acting);
            if (before == handler.getField("SIG_IGN").get(null)) {
                // the JVM leaves it so
                LOG.warn(
                        "SIG{} is ignored in this process, as nohup does; it will not read the configuration again",
                        name);
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            LOG.warn("SIG{} can't be listened to here ({}); a restart reads the configuration", name, e.toString());
        }
    }
}
