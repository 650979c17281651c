// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.signing.Signer;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Where to and how certificates are sent: what a reload may change.
 *
 * @param endpoints base URLs of backends that share one dedup store, the preferred one first; at least one
 * @param tls own authorities and client certificate; empty for what the JDK trusts
 * @param signer empty where certificates go out as they are
 */
public record SendingSetup(
        List<URI> endpoints,
        Optional<ClientTls> tls,
        Duration requestTimeout,
        Optional<Signer> signer,
        SendOptions options) {

    /** Checks what can't work. */
    public SendingSetup {
        if (endpoints.isEmpty()) {
            throw new IllegalArgumentException("no endpoint");
        }
        endpoints = List.copyOf(endpoints);
    }
}
