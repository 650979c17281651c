// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

/**
 * A port for metrics and probes, apart from the one for certificates.
 *
 * @param port to listen on; 0 takes any free one
 * @param bindAddress address or name of the interface to listen on
 * @param debug whether it also shows threads, memory and flight recordings of the JVM
 */
public record OpsConfig(int port, String bindAddress, boolean debug) {
    /** What METRICS_PASS does not protect is for this machine only by default. */
    static final String USUAL_BIND_ADDRESS = "127.0.0.1";
}
