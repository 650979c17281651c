// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.InjectedFault.Target;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of the agent's real jar: the n-th system call of one kind on its files fails or kills the agent. A run without
 * faults follows, and then an audit: every acknowledged certificate is recorded once, and only certificates that the
 * backend refuses permanently are dead letters. {@code -Dflk.faults=all} tries every n that occurs in a short run.
 */
@Tag("thorough")
final class AgentInjectedFaultsIT {
    @RegisterExtension
    static final RunningBackend BACKEND = RunningBackend.with(Map.of());

    private static final int KILLED = 137;
    private static final int TERMINATED = 143;

    /** The number of the next certificate. No two tests use the same number, because all tests share one backend. */
    private static final AtomicLong NEXT_NUMBER = new AtomicLong(1);

    @TempDir
    private Path directory;

    static Stream<InjectedFault> faults() {
        return Stream.of("openat", "pwrite64", "fdatasync", "fsync", "rename", "unlink")
                .flatMap(call -> Stream.of("EIO", "ENOSPC", "KILL").map(what -> InjectedFault.of(call, what, 1)));
    }

    @ParameterizedTest
    @MethodSource("faults")
    void syscallFails_eachIsRecordedOnce_andOnlyThePermanentlyRefusedAreDeadLetters(InjectedFault fault)
            throws Exception {
        InjectedFault.assumePossible();
        InjectedFault.tryEach("AgentInjectedFaultsIT, " + fault, 1, n -> {
            Run run = new Run(new InjectedFault(fault.calls(), fault.what(), Integer.toString(n)));
            run.happen();
            run.audit();
            return run.isMet();
        });
    }

    /** An agent with its own directory, the certificates submitted to it, and those that it acknowledged. */
    private final class Run {
        private final AgentHome home;
        private final InjectedFault fault;
        private final List<Pcs> all = new ArrayList<>();
        private final List<String> hopeless = new ArrayList<>();
        private final Set<Pcs> acknowledged = new HashSet<>();
        private boolean isKilled;

        Run(InjectedFault fault) throws IOException {
            this.fault = fault;
            // a short name, because the path of a Unix socket in this directory has a length limit
            this.home = AgentHome.in(Files.createTempDirectory(directory, "n"));
        }

        private Path traces() {
            return home.directory().resolve("traces");
        }

        private List<Pcs> good(int count) {
            List<Pcs> certificates = Stream.generate(() -> Pcs.number(NEXT_NUMBER.getAndIncrement()))
                    .limit(count)
                    .toList();
            all.addAll(certificates);
            return certificates;
        }

        private Pcs hopeless() {
            Pcs one = Pcs.number(NEXT_NUMBER.getAndIncrement()).with("schema", "\"another\"");
            hopeless.add(one.id().toString());
            return one;
        }

        /** Runs the agent with the fault on its files, with a file in its spool and posts to its intake. */
        void happen() throws Exception {
            List<Pcs> spooled = new ArrayList<>(good(3));
            spooled.add(hopeless());
            home.spool("some", spooled);
            // even if the agent exits before it reads the file, the next run reads it
            acknowledged.addAll(spooled);
            Map<String, String> environment = home.sendingTo(BACKEND.backend().url());
            environment.put("INTAKE_PORT", "0");
            List<String> strace = InjectedFault.before(List.of(fault), files(), traces());
            try (Program agent = Program.through(strace, "flk-agent", home.directory(), environment, "run")) {
                String line = "";
                try {
                    line = agent.awaitLine(text -> text.contains("loopback port "));
                } catch (AssertionError e) {
                    assertThat(agent.isAlive()).as(e.getMessage()).isFalse();
                }
                if (!line.isEmpty()) {
                    int port = Integer.parseInt(line.replaceAll(".*loopback port ([0-9]+).*", "$1"));
                    post(port, 4);
                    Client.awaitUntil(() -> !home.deadLetters().isEmpty() || !agent.isAlive());
                    // the fault occurs at most once per thread, so the agent goes on, or ends
                    Client.awaitUntil(() -> {
                        post(port, 1);
                        return acknowledged.contains(all.get(all.size() - 1)) || !agent.isAlive();
                    });
                }
                assertEnded(agent, agent.isAlive() ? agent.terminate() : agent.awaitExit());
            }
        }

        private List<Path> files() {
            List<Path> files = new ArrayList<>(Target.EVERYTHING.in(new LogFiles(home.outbox(), "outbox")));
            files.addAll(List.of(home.directory(), home.letters()));
            Stream.of("outbox/reserve", "dlq.jsonl.next", "spool/some.ndjson", "spool/.taken-some.ndjson")
                    .map(home.directory()::resolve)
                    .forEach(files::add);
            return files;
        }

        /** Checks that the agent ended with SIGTERM, reported the failure, or was killed by the fault. */
        private void assertEnded(Program agent, int code) {
            isKilled = code == KILLED;
            if (fault.kills()) {
                assertThat(code).as(agent.allLines()).isIn(TERMINATED, KILLED);
            } else if (code != TERMINATED) {
                assertThat(code).as(agent.allLines()).isOne();
                assertThat(agent.allLines().lines())
                        .as(agent.allLines())
                        .anySatisfy(line -> assertThat(line)
                                .startsWith("flk-agent: ")
                                .containsAnyOf("Input/output error", "No space left", "disk full"));
            }
        }

        /** Posts certificates one at a time, until the agent is killed. */
        private void post(int port, int count) throws InterruptedException {
            for (Pcs certificate : good(count)) {
                try {
                    LocalPost.Answer answer = LocalPost.one(LocalPost.loopback(port), AgentHome.unsigned(certificate));
                    if (answer.status() == 202) {
                        acknowledged.add(certificate);
                    } else {
                        assertThat(answer.status()).as(answer.body()).isIn(500, 503);
                    }
                } catch (IOException e) {
                    return;
                }
            }
        }

        /**
         * Spools all unacknowledged certificates again, and checks that each certificate is recorded once, except those
         * that the backend refuses permanently, which must be dead letters.
         */
        void audit() throws Exception {
            List<Pcs> again =
                    all.stream().filter(one -> !acknowledged.contains(one)).toList();
            if (!again.isEmpty()) {
                home.spool("again", again);
            }
            AgentHome.succeed(home.sendingTo(BACKEND.backend().url()), "run", "--until-empty");
            assertThat(home.spoolIsEmpty()).isTrue();
            List<String> recorded = BACKEND.log().entries().stream()
                    .map(entry -> entry.kind() + " " + id(StrictJson.read(entry.body())))
                    .toList();
            assertThat(recorded)
                    .doesNotHaveDuplicates()
                    .containsAll(all.stream().map(one -> "s " + one.id()).toList());
            List<JsonNode> letters =
                    home.deadLetters().stream().map(StrictJson::read).toList();
            assertThat(letters.stream().map(letter -> letter.path("outbox_seq").asLong()))
                    .doesNotHaveDuplicates();
            // a file that is read again after a kill may become two records of the outbox, and so two letters
            assertThat(letters.stream().map(letter -> id(letter.path("certificate"))))
                    .isNotEmpty()
                    .isSubsetOf(hopeless);
        }

        private static String id(JsonNode certificate) {
            return certificate.path("pcs_id").asText();
        }

        boolean isMet() throws IOException {
            return fault.kills() ? isKilled : fault.wasMet(traces());
        }
    }
}
