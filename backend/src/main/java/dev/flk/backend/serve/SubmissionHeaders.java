// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.access.keys.Signatures;
import dev.flk.canonical.Sha256;
import dev.flk.http.Answer.Header;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The headers of each answer to a submission that name this process and the state of its keys. An agent gives up on a
 * signature only if the same process refuses it, accepts others and refuses it again, all with the same keys. Safe for
 * any thread.
 */
public final class SubmissionHeaders implements Supplier<List<Header>> {
    private static final int DIGITS = 16;

    private final Header instance;
    private final long salt;
    private volatile @Nullable Signatures keys;
    private volatile State current;

    /** A state of the keys, with the headers that name it. */
    private record State(String version, long sinceMillis, List<Header> headers) {}

    /**
     * Creates headers that name no keys yet.
     *
     * @param instance the id of this process
     * @param salt a random number, which must remain secret. Without it, anyone could test guesses of a weak secret
     *     against the header, because the version of the keys is derived from their ids, and the ids from the secrets
     */
    public SubmissionHeaders(String instance, long salt) {
        this.instance = new Header("X-Flk-Instance", instance);
        this.salt = salt;
        this.current = new State("", 0, List.of(this.instance));
    }

    /** Names the state of these keys from now on. */
    public void name(Signatures used) {
        keys = used;
    }

    /** Returns the headers. They are created again only after the keys have changed. */
    @Override
    public List<Header> get() {
        Signatures used = keys;
        State state = current;
        if (used == null) {
            return state.headers();
        }
        String version = used.version();
        long since = used.since();
        if (state.sinceMillis() != since || !state.version().equals(version)) {
            // with the time, so that keys that come back are another state
            byte[] digest = Sha256.of((salt + " " + version + " " + since).getBytes(StandardCharsets.US_ASCII));
            String shown = HexFormat.of().formatHex(digest).substring(0, DIGITS);
            state = new State(version, since, List.of(instance, new Header("X-Flk-Keys", shown)));
            current = state;
        }
        return state.headers();
    }
}
