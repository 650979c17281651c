// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Where it is written down who did or tried what. Safe for any thread; throws nothing, and only {@link #operation} waits for a disk. */
public interface Audit {
    /** Something that an operator did, or that happened to the backend; {@code details} never have a secret. */
    void operation(String event, Map<String, String> details);

    /**
     * A certificate whose signature was refused.
     *
     * @param address where it came from
     * @param reason as the metrics call it
     * @param keyId of the key that it was made with, if that is known
     * @param claimedId the id that it names, if that is one
     */
    void signatureRefused(String address, String reason, @Nullable String keyId, @Nullable String claimedId);

    /** A certificate of another content than the one that was recorded under its id. */
    void conflict(String address, String reason, String keyId, String id);

    /** Writes nothing down. */
    static Audit none() {
        return new Audit() {
            @Override
            public void operation(String event, Map<String, String> details) {}

            @Override
            public void signatureRefused(
                    String address, String reason, @Nullable String keyId, @Nullable String claimedId) {}

            @Override
            public void conflict(String address, String reason, String keyId, String id) {}
        };
    }
}
