// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import static dev.flk.program.config.Quantities.matching;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * A separate port for metrics, probes and the record.
 *
 * @param port the port to listen on; 0 for any free port
 * @param bindAddress the address to listen on, or a host name with this address
 * @param debug whether the port also serves threads, memory and flight recordings of the JVM
 */
public record OpsConfig(int port, String bindAddress, boolean debug) {
    /** Reads an address or host name. */
    public static final Function<String, String> ADDRESS =
            matching(Pattern.compile("[A-Za-z0-9._:%-]+"), "not an address or host name");

    public static final Key<Integer> OPS_PORT = Key.of(
            "OPS_PORT",
            Quantities::port,
            "A separate port for operators: metrics, probes and the page; `PORT` then no longer serves them.");

    public static final Key<String> OPS_BIND_ADDR =
            Key.of("OPS_BIND_ADDR", ADDRESS, "The address for `OPS_PORT`.").derived("127.0.0.1");

    public static final Key<Boolean> DEBUG = Key.of(
                    "DEBUG",
                    Quantities::onOrOff,
                    "`on`: `OPS_PORT` serves threads, memory and recordings of the JVM. Needs `METRICS_USER` and"
                            + " `METRICS_PASS`.")
            .or("off");

    /**
     * The default address. It is the loopback address, because METRICS_PASS does not protect all pages of this
     * port.
     */
    private static final String USUAL_BIND_ADDRESS = "127.0.0.1";

    /** Reads the settings of the separate port; returns empty if no such port is set. */
    public static Optional<OpsConfig> read(Settings settings) {
        Optional<Integer> port = settings.find(OPS_PORT);
        Optional<String> address = settings.find(OPS_BIND_ADDR);
        boolean isPortGiven = settings.isGiven(OPS_PORT);
        settings.require(
                address.isEmpty() || isPortGiven,
                "OPS_BIND_ADDR: has no effect without OPS_PORT; set OPS_PORT too, or remove OPS_BIND_ADDR");
        boolean isDebug = settings.get(DEBUG);
        settings.require(
                !isDebug || (isPortGiven && OperatorConfig.hasLogin(settings)),
                "DEBUG: needs OPS_PORT, METRICS_USER and METRICS_PASS, because /debug asks for this login");
        return port.map(each -> new OpsConfig(each, address.orElse(USUAL_BIND_ADDRESS), isDebug));
    }
}
