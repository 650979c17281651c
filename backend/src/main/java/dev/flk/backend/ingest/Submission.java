// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.limit.Sender;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One certificate as it came in. Handed from thread to thread, and first looked at by the one that submits it, before that returns from it.
 */
public final class Submission {
    private final int bodyBytes;
    private final Sender sender;
    private final Consumer<Outcome> answer;
    private @Nullable Supplier<byte[]> source;
    private byte @Nullable [] body;

    /**
     * A submission.
     *
     * @param bodyBytes how many there are
     * @param body gives the raw bytes, which nobody changes any more; asked at most once, and not for what is held back, whose bytes nobody needs
     * @param sender who sent it
     * @param answer called exactly once, on any thread; must hand over and return, and must not throw
     */
    public Submission(int bodyBytes, Supplier<byte[]> body, Sender sender, Consumer<Outcome> answer) {
        this.bodyBytes = bodyBytes;
        this.source = body;
        this.sender = sender;
        this.answer = answer;
    }

    /** A submission whose bytes are there, and owned by the pipeline from now on. */
    public Submission(byte[] body, Sender sender, Consumer<Outcome> answer) {
        this.bodyBytes = body.length;
        this.body = body;
        this.sender = sender;
        this.answer = answer;
    }

    public int bodyBytes() {
        return bodyBytes;
    }

    /** The raw bytes. */
    public byte[] body() {
        byte[] bytes = body;
        if (bytes == null) {
            bytes = Objects.requireNonNull(source).get();
            body = bytes;
            source = null;
        }
        return bytes;
    }

    public Sender sender() {
        return sender;
    }

    public Consumer<Outcome> answer() {
        return answer;
    }
}
