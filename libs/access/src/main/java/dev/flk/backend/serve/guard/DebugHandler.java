// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.diagnostics.FlightRecording;
import dev.flk.program.diagnostics.FlightRecording.Failed;
import dev.flk.program.diagnostics.FlightRecording.Recorded;
import dev.flk.program.diagnostics.JvmState;
import dev.flk.program.time.DaemonThreads;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The handler of {@code /debug/threads}, {@code /debug/heap} and {@code /debug/jfr?seconds=N} on the operators' port,
 * which require the operators' login. These requests take time, so a separate thread processes them, one at a time. One
 * more request can wait; further requests get 409.
 */
public final class DebugHandler implements AutoCloseable {
    private static final Pattern SECONDS = Pattern.compile("seconds=([1-9][0-9]{0,2})");

    private final OperatorGuard guard;
    private final FlightRecording recording = new FlightRecording();
    private final ThreadPoolExecutor thread = new ThreadPoolExecutor(
            0, 1, 1, TimeUnit.SECONDS, new ArrayBlockingQueue<>(1), DaemonThreads.named("debug"));

    public DebugHandler(OperatorGuard guard) {
        this.guard = guard;
    }

    public Routes addTo(Routes routes) {
        return routes.get("/debug/threads", guard.reading(this::threads))
                .get("/debug/heap", guard.reading(this::heap))
                .get("/debug/jfr", guard.reading(this::jfr));
    }

    private void threads(Request request, Exchange exchange) {
        answerLater(exchange, () -> Answer.text(200, JvmState.threads()));
    }

    private void heap(Request request, Exchange exchange) {
        answerLater(exchange, () -> Answer.text(200, JvmState.heap()));
    }

    private void jfr(Request request, Exchange exchange) {
        Matcher seconds = SECONDS.matcher(request.query());
        if (!seconds.matches() || Integer.parseInt(seconds.group(1)) > FlightRecording.MAX_SECONDS) {
            exchange.answer(Answer.error(
                    400, "use /debug/jfr?seconds=N with a whole number from 1 to " + FlightRecording.MAX_SECONDS));
            return;
        }
        answerLater(exchange, () -> recorded(Integer.parseInt(seconds.group(1))));
    }

    private void answerLater(Exchange exchange, Supplier<Answer> work) {
        try {
            thread.execute(() -> exchange.safely(() -> exchange.answer(work.get())));
        } catch (RejectedExecutionException e) {
            exchange.answer(Answer.error(409, "another debug request is in progress"));
        }
    }

    private Answer recorded(int seconds) {
        FlightRecording.Result result = recording.record(seconds);
        if (result instanceof Failed failed) {
            return Answer.error(failed.isBusy() ? 409 : 500, failed.why());
        }
        try (Recorded recorded = (Recorded) result) {
            return new Answer(
                    200,
                    "application/octet-stream",
                    recorded.content().readAllBytes(),
                    List.of(new Header("Content-Disposition", "attachment; filename=\"flk.jfr\"")));
        } catch (IOException e) {
            return Answer.error(500, "the recording could not be read");
        }
    }

    @Override
    public void close() {
        recording.close();
        thread.shutdown();
    }
}
