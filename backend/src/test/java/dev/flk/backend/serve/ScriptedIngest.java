// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.certificate.PcsId;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;

/** An ingest that the test controls: it answers submissions immediately, or keeps them for the test to answer. */
final class ScriptedIngest implements Ingest {
    private static final long PATIENCE_SECONDS = 20;

    final BlockingQueue<List<Submission>> turns = new LinkedBlockingQueue<>();
    private final BlockingQueue<Submission> kept = new LinkedBlockingQueue<>();
    private volatile Function<String, Outcome> script = ScriptedIngest::echo;
    private volatile boolean keeping;
    private volatile Function<PcsId, Optional<Outcome>> store = id -> Optional.empty();

    /** Makes the ingest answer every later submission with the outcome that {@code script} returns for its body. */
    void answer(Function<String, Outcome> script) {
        this.script = script;
        keeping = false;
    }

    /** Makes the ingest keep all later submissions for the test, which takes them with {@link #next}. */
    void keep() {
        keeping = true;
    }

    void store(Function<PcsId, Optional<Outcome>> store) {
        this.store = store;
    }

    /** Returns the next kept submission, in order of arrival. */
    Submission next() throws InterruptedException {
        Submission next = kept.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("no submission came");
        }
        return next;
    }

    @Override
    public void submit(List<Submission> arrived) {
        List<Submission> turn = arrived.stream()
                .map(each -> new Submission(each.body().get(), each.sender(), each.answer()))
                .toList();
        turns.add(turn);
        if (keeping) {
            kept.addAll(turn);
        } else {
            turn.forEach(submission -> submission.answer().accept(script.apply(body(submission))));
        }
    }

    @Override
    public void lookUp(PcsId id, boolean isOperator, Consumer<Optional<Outcome>> answer) {
        answer.accept(store.apply(id));
    }

    /** Returns an outcome with status 200 and the submitted body in quotes. */
    static Outcome echo(String body) {
        return decided(200, '"' + body + '"', Relation.FIRST);
    }

    static Outcome decided(int status, String body, Relation relation) {
        return new Decided(status, body.getBytes(StandardCharsets.UTF_8), relation);
    }

    static String body(Submission submission) {
        return new String(submission.body().get(), StandardCharsets.UTF_8);
    }
}
