// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import com.google.protobuf.ByteString;
import dev.flk.bench.CallLoad.Call;
import dev.flk.bench.Workbench.Subject;
import dev.flk.bench.etcd.KVGrpc;
import dev.flk.bench.etcd.PutRequest;
import io.grpc.Channel;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * The suite that compares the backend with servers that only store certificates. Each request to such a server contains
 * a certificate with a new id; the server makes the certificate durable before answering. A server that is not
 * installed is left out, with a message.
 */
final class Peers {
    private static final int[] CONNECTIONS = {1, 64, 256};

    private Peers() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Server bare = bench.keep(Server.bare(bench.directory("bare")));
        Server backend = bench.backend("backend");
        Server redis = bench.keep(Server.redis(bench.directory("redis-server"), "always"));
        Server postgres = bench.keepIfInstalled("Postgres", () -> Server.postgres(bench.directory("postgres")));
        Server etcd = bench.keepIfInstalled("etcd", () -> Server.etcd(bench.directory("etcd")));
        if (postgres != null) {
            Postgres.createTable(postgres);
        }
        Stock seen = Stock.ofSingles(Workbench.SUBMIT, bench.certificates()).repeating();
        List<Subject> subjects = new ArrayList<>();
        subjects.add(bench.plainForces());
        for (int n : CONNECTIONS) {
            double guess = 1_000.0 * n;
            subjects.add(Workbench.load("bare Netty, " + n, bare, n, seen, 100, "200"));
            subjects.add(bench.singles("backend, " + n, backend, n, guess));
            subjects.add(Workbench.load(
                    "Redis, " + n,
                    redis,
                    stock(bench, Peers::xadd),
                    guess,
                    stock -> new LoadClient(redis.port(), n, stock, "$", RedisReply::new, List.of())));
            if (postgres != null) {
                Subject inserts = Workbench.load(
                        "Postgres, " + n,
                        postgres,
                        stock(bench, Postgres::insert),
                        guess,
                        stock ->
                                new LoadClient(postgres.port(), n, stock, "", Postgres.Reply::new, Postgres.GREETINGS));
                subjects.add(new Subject(
                        inserts.name(), plan -> inserts.round().measure(plan).withoutCosts()));
            }
            if (etcd != null) {
                Certificates certificates = bench.certificates();
                subjects.add(StateSuite.calls("etcd, " + n, etcd, n, 1, channel -> put(channel, certificates)));
            }
        }
        return bench.measure("certificates", "bare Netty, 64", subjects);
    }

    private static Stock stock(Workbench bench, Function<byte[], byte[]> request) {
        Certificates certificates = bench.certificates();
        return Stock.of(() -> request.apply(certificates.next()));
    }

    /** Returns the id of a certificate from {@link Certificates}. The id is the first member of such a certificate. */
    private static byte[] id(byte[] certificate) {
        return new String(certificate, StandardCharsets.US_ASCII)
                .substring(11, 75)
                .getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] xadd(byte[] certificate) {
        ByteArrayOutputStream request = new ByteArrayOutputStream();
        request.writeBytes(ascii("*5\r\n"));
        Stream.of(ascii("XADD"), ascii("certificates"), ascii("*"), ascii("body"), certificate)
                .forEach(part -> {
                    request.writeBytes(ascii("$" + part.length + "\r\n"));
                    request.writeBytes(part);
                    request.writeBytes(ascii("\r\n"));
                });
        return request.toByteArray();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static Call put(Channel channel, Certificates certificates) {
        KVGrpc.KVStub stub = KVGrpc.newStub(channel);
        return (client, number, response) -> {
            byte[] certificate = certificates.next();
            stub.put(
                    PutRequest.newBuilder()
                            .setKey(ByteString.copyFrom(id(certificate)))
                            .setValue(ByteString.copyFrom(certificate))
                            .build(),
                    StateSuite.observing(response));
        };
    }

    /** A reply of Redis: a bulk string, or an error, which begins with a minus. */
    private static final class RedisReply extends LoadClient.Reply {
        @Override
        boolean isComplete() {
            String text = text(0, in.position());
            int line = text.indexOf("\r\n");
            if (line < 0) {
                return false;
            }
            return text.charAt(0) != '$' || text.length() == line + 2 + Integer.parseInt(text, 1, line, 10) + 2;
        }

        @Override
        void require(String expected, int items) throws IOException {
            String text = text(0, in.position());
            if (!text.startsWith(expected)) {
                throw new IOException("unexpected reply of Redis: " + text);
            }
        }
    }

    /** The wire protocol of Postgres, version 3.0: an insert into a table by a prepared statement. */
    private static final class Postgres {
        static final List<byte[]> GREETINGS = List.of(
                message("", out -> {
                    out.writeInt(3 << 16); // the version of the protocol
                    out.writeBytes("user\0postgres\0database\0postgres\0\0");
                }),
                joined(
                        message("P", out -> {
                            out.writeBytes("insert\0insert into certificates (id, body) values ($1, $2)\0");
                            out.writeShort(0); // the number of declared parameter types; Postgres infers the types
                        }),
                        message("S", out -> {})));

        private Postgres() {}

        /** A function that writes the content of a message. */
        private interface Content {
            void write(DataOutputStream out) throws IOException;
        }

        private static byte[] message(String type, Content content) {
            try {
                ByteArrayOutputStream body = new ByteArrayOutputStream();
                content.write(new DataOutputStream(body));
                ByteArrayOutputStream all = new ByteArrayOutputStream();
                DataOutputStream out = new DataOutputStream(all);
                out.writeBytes(type);
                out.writeInt(Integer.BYTES + body.size());
                out.write(body.toByteArray());
                return all.toByteArray();
            } catch (IOException e) {
                throw new UncheckedIOException("bytes in memory can't be written", e);
            }
        }

        private static byte[] joined(byte[]... messages) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            Stream.of(messages).forEach(all::writeBytes);
            return all.toByteArray();
        }

        static void createTable(Server server) throws IOException {
            byte[] query =
                    message("Q", out -> out.writeBytes("create table certificates (id text primary key, body text)\0"));
            List<byte[]> greetings = List.of(GREETINGS.get(0), query);
            new LoadClient(server.port(), 1, Stock.of(() -> query), "", Reply::new, greetings).close();
        }

        static byte[] insert(byte[] certificate) {
            return joined(
                    message("B", out -> {
                        out.writeBytes("\0insert\0");
                        out.writeShort(0); // all parameters are text
                        out.writeShort(2);
                        for (byte[] parameter : List.of(id(certificate), certificate)) {
                            out.writeInt(parameter.length);
                            out.write(parameter);
                        }
                        out.writeShort(0);
                    }),
                    message("E", out -> {
                        out.writeByte(0);
                        out.writeInt(0);
                    }),
                    message("S", out -> {}));
        }

        /**
         * The messages with which Postgres answers a query. The last of these messages says that Postgres is ready for
         * the next query.
         */
        private static final class Reply extends LoadClient.Reply {
            private static final int HEADER = 5;

            private int next;
            private boolean isError;

            @Override
            boolean isComplete() {
                while (in.position() - next >= HEADER && in.position() > next + in.getInt(next + 1)) {
                    byte type = in.get(next);
                    isError |= type == 'E';
                    next += 1 + in.getInt(next + 1);
                    if (type == 'Z') {
                        return true;
                    }
                }
                return false;
            }

            @Override
            void require(String expected, int items) throws IOException {
                if (isError) {
                    throw new IOException("unexpected reply of Postgres: " + text(0, in.position()));
                }
            }

            @Override
            void clear() throws IOException {
                super.clear();
                next = 0;
            }
        }
    }
}
