// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.outcomes.embedded.OutcomesBackup;
import dev.flk.backend.outcomes.embedded.OutcomesBackup.IncompleteException;
import dev.flk.backend.outcomes.embedded.OutcomesBackup.Made;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.Starting;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.cli.IoMessages;
import dev.flk.program.files.PathNames;
import dev.flk.program.json.Json;
import dev.flk.program.time.DaemonThreads;
import dev.flk.view.ViewUnavailableException;
import io.netty.handler.codec.http.HttpMethod;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The handler of {@code POST /v1/outcomes/backup}, which copies the outcomes in DEDUP_DIR to a directory. A copy may
 * take long, so it has a thread of its own; there is at most one at a time.
 */
public final class BackupHandler implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.http");
    private static final int MAX_BODY_BYTES = 16 << 10;
    private static final String DIRECTORY = "directory";
    private static final Answer NONE = Answer.error(
            404,
            "this backend has no outcomes in DEDUP_DIR; copy outcomes in Postgres with pg_dump, and those in Redis with"
                    + " its own backup");
    private static final Answer BUSY = Answer.error(409, "another backup is being made; wait until it has ended");

    private final Supplier<Optional<OutcomesBackup>> backup;
    private final Starting starting;
    private final OperatorGuard guard;
    private final ThreadPoolExecutor thread = new ThreadPoolExecutor(
            0, 1, 1, TimeUnit.SECONDS, new SynchronousQueue<>(), DaemonThreads.named("outcomes-backup"));

    /** @param backup a supplier of the outcomes; empty if this backend has none in DEDUP_DIR, or is starting */
    public BackupHandler(Supplier<Optional<OutcomesBackup>> backup, Starting starting, OperatorGuard guard) {
        this.backup = backup;
        this.starting = starting;
        this.guard = guard;
    }

    public Routes addTo(Routes routes) {
        return routes.route(
                HttpMethod.POST,
                "/v1/outcomes/backup",
                guard.changing(MAX_BODY_BYTES, this::make, UnaryOperator.identity()));
    }

    private void make(Request request, Exchange exchange) {
        if (starting.refuses(exchange)) {
            return;
        }
        Optional<OutcomesBackup> found = backup.get();
        if (found.isEmpty()) {
            exchange.answer(NONE);
            return;
        }
        byte[] body = request.body().exact();
        try {
            thread.execute(() -> exchange.safely(() -> exchange.answer(make(found.get(), body))));
        } catch (RejectedExecutionException e) {
            exchange.answer(BUSY);
        }
    }

    private Answer make(OutcomesBackup found, byte[] body) {
        try {
            Made made = found.make(directory(body), guard.user());
            return Answer.json(200, Json.bytes(made));
        } catch (BadRequest e) {
            return Answer.error(400, e.text());
        } catch (IllegalArgumentException e) {
            return Answer.error(400, String.valueOf(e.getMessage()));
        } catch (IncompleteException e) {
            return Answer.error(409, String.valueOf(e.getMessage()));
        } catch (ViewUnavailableException e) {
            return Answer.error(503, String.valueOf(e.getMessage()), Header.retryAfter(1));
        } catch (IOException e) {
            String problem = "the backup failed: " + IoMessages.describe(e);
            LOG.warn("{}", problem);
            return Answer.error(500, problem);
        }
    }

    private static Path directory(byte[] body) {
        JsonNode parsed;
        try {
            parsed = Json.parse(new String(body, StandardCharsets.UTF_8));
        } catch (JsonProcessingException e) {
            throw new BadRequest("the body is not JSON");
        }
        if (parsed.size() != 1 || !parsed.path(DIRECTORY).isTextual()) {
            throw new BadRequest("the body is not an object with the member " + DIRECTORY + " only, a text");
        }
        return BadRequest.parsed(DIRECTORY, parsed.path(DIRECTORY).textValue(), PathNames::parse);
    }

    @Override
    public void close() {
        thread.shutdown();
    }
}
