// SPDX-License-Identifier: Apache-2.0
package dev.flk.deb;

import dev.flk.agent.cli.FlkAgent;
import dev.flk.backend.operate.cli.CommandLineProgram;
import dev.flk.state.server.cli.StateProgram;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorOutputStream;
import org.apache.commons.compress.compressors.gzip.GzipParameters;
import org.asciidoctor.Asciidoctor;
import org.asciidoctor.Attributes;
import org.asciidoctor.Options;
import org.asciidoctor.SafeMode;
import org.vafer.jdeb.Console;
import org.vafer.jdeb.DataProducer;
import org.vafer.jdeb.DebMaker;
import org.vafer.jdeb.PackagingException;
import org.vafer.jdeb.mapping.Mapper;
import org.vafer.jdeb.mapping.PermMapper;
import org.vafer.jdeb.producers.DataProducerDirectory;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.codegen.docgen.manpage.ManPageGenerator;

/**
 * Builds the packages {@code flk-agent}, {@code flk-backend} and {@code flk-state} in {@code deploy/deb/target}: the
 * jar, a command with man pages and completion, the service files of {@code deploy}, the docs, the alert rules,
 * {@code NOTICE}, and the files in {@code src/main/deb}. The same commit gives the same bytes.
 */
public final class Packages {
    /**
     * A program to be packaged.
     *
     * @param module the directory of its module
     * @param recommended the packages that it recommends
     */
    private record Program(
            String name,
            String module,
            CommandLine commands,
            String jvm,
            String recommended,
            String summary,
            String text) {}

    private final Path root;
    private final Path source;
    private final String version;
    private final Instant time;

    private Packages(Path root, String version, Instant time) {
        this.root = root;
        this.source = root.resolve("deploy/deb/src/main/deb");
        this.version = version.replace('-', '~');
        this.time = time;
    }

    /** Builds the packages. The arguments are the root of the project, its version, and the time of all files. */
    public static void main(String[] args) throws IOException, PackagingException {
        Locale.setDefault(Locale.ROOT); // picocli sorts the options of man pages by it
        Packages packages = new Packages(Path.of(args[0]).toRealPath(), args[1], Instant.parse(args[2]));
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        PrintWriter noText = new PrintWriter(Writer.nullWriter());
        packages.build(new Program(
                "agent",
                "agent",
                new FlkAgent(Map.of(), InputStream.nullInputStream(), nowhere, nowhere).commandLine(),
                "-Xmx64m -Xms8m -XX:+UseSerialGC",
                "cron | cron-daemon, logrotate",
                "agent that sends signed certificates until they are answered",
                "It turns measurements into certificates, keeps them in an outbox on disk,\n"
                        + " and sends them until a backend has answered."));
        packages.build(new Program(
                "backend",
                "backend",
                new CommandLineProgram(Map.of(), (config, again) -> {}, noText, noText).commandLine(),
                "-XX:G1HeapRegionSize=2m",
                "cron | cron-daemon, logrotate, flk-state",
                "backend that checks signed certificates and records their outcomes",
                "It logs each certificate before it answers, decides it once, and records\n" + " the outcome."));
        packages.build(new Program(
                "state",
                "state/server",
                new StateProgram(Map.of(), (config, again) -> {}, noText, noText).commandLine(),
                "-XX:G1HeapRegionSize=2m",
                "logrotate",
                "server of the versioned state of agents and of their sessions",
                "It keeps each version of a value on disk or in Postgres, and replays\n" + " what was written."));
    }

    private void build(Program program) throws IOException, PackagingException {
        String name = "flk-" + program.name();
        Path target = root.resolve("deploy/deb/target");
        Path work = target.resolve(name);
        removeAll(work);
        Path files = Files.createDirectories(work.resolve("files"));

        copyTree(program, source.resolve("control"), work.resolve("control"));
        copyTree(program, source.resolve("files"), files);
        copyTree(program, source.resolve(program.name()), files);
        String unit = name + ".service";
        copy(program, root.resolve("deploy/systemd/" + unit), files.resolve("usr/lib/systemd/system/" + unit));
        Path cron = root.resolve("deploy/cron/" + name);
        if (Files.exists(cron)) {
            copy(program, cron, files.resolve("etc/cron.d/" + name));
        }
        copy(program, root.resolve("deploy/logrotate/" + name), files.resolve("etc/logrotate.d/" + name));
        Path documents = files.resolve("usr/share/doc/" + name);
        copy(program, root.resolve("NOTICE"), documents.resolve("NOTICE"));
        copyTree(program, root.resolve("docs"), documents.resolve("docs"));
        copyTree(program, root.resolve("alerts"), documents.resolve("alerts"));
        gzip(changelog(name), documents.resolve("changelog.gz"));
        manPages(program, work.resolve("pages"), files.resolve("usr/share/man/man1"));
        Files.writeString(
                Files.createDirectories(files.resolve("usr/share/bash-completion/completions"))
                        .resolve(name),
                AutoComplete.bash(name, program.commands()).replaceFirst("#!.*\n", ""));
        Path jar = root.resolve(program.module()).resolve("target").resolve(name + ".jar");
        Files.copy(jar, Files.createDirectories(files.resolve("usr/share/flk")).resolve(name + ".jar"));

        pack(work, target.resolve(name + "_" + version + "_all.deb"));
    }

    private void pack(Path work, Path deb) throws PackagingException {
        File files = work.resolve("files").toFile();
        DataProducer ordinary = directory(files, 0644, "", "etc/**", "usr/bin/**");
        DataProducer commands = directory(new File(files, "usr/bin"), 0755, "/usr/bin");
        DataProducer services = directory(new File(files, "etc"), 0644, "/etc", "flk/*.properties");
        // settings contain keys; the file of sources does not
        DataProducer settings = directory(new File(files, "etc/flk"), 0640, "/etc/flk", "sources.yaml");
        DebMaker maker =
                new DebMaker(new Log(), List.of(ordinary, commands, services, settings), List.of(services, settings));
        maker.setControl(work.resolve("control").toFile());
        maker.setDeb(deb.toFile());
        maker.setCompression("gzip");
        maker.setOutputTimestampMs(time.toEpochMilli());
        maker.makeDeb();
    }

    private static DataProducer directory(File directory, int mode, String prefix, String... excluded) {
        Mapper owner = new PermMapper(0, 0, "root", "root", mode, 0755, 0, prefix);
        return new DataProducerDirectory(directory, new String[] {"**"}, excluded, new Mapper[] {owner});
    }

    /** Copies all files of a directory. Replaces placeholders in names and texts, and in texts also installed paths. */
    private void copyTree(Program program, Path from, Path to) throws IOException {
        List<Path> files;
        try (Stream<Path> walk = Files.walk(from)) {
            files = walk.filter(Files::isRegularFile).toList();
        }
        for (Path file : files) {
            copy(program, file, to.resolve(from.relativize(file).toString().replace("@PROGRAM@", program.name())));
        }
    }

    private void copy(Program program, Path from, Path to) throws IOException {
        Files.createDirectories(to.resolve("..").normalize());
        if (from.toString().endsWith(".png")) {
            Files.copy(from, to);
        } else {
            Files.writeString(to, filled(program, Files.readString(from)));
        }
    }

    private String filled(Program program, String text) {
        String documents = "/usr/share/doc/flk-" + program.name();
        return text.replace("@PROGRAM@", program.name())
                .replace("@VERSION@", version)
                .replace("@JVM@", program.jvm())
                .replace("@RECOMMENDED@", program.recommended())
                .replace("@SUMMARY@", program.summary())
                .replace("@TEXT@", program.text())
                .replace("/opt/flk/docs", documents + "/docs")
                .replace("/opt/flk/alerts", documents + "/alerts")
                .replace("/opt/flk/", "/usr/share/flk/");
    }

    private void manPages(Program program, Path work, Path pages) throws IOException {
        File sources = Files.createDirectories(work.resolve("adoc")).toFile();
        Path formatted = Files.createDirectories(work.resolve("man"));
        ManPageGenerator.generateManPage(
                sources, null, new boolean[0], false, program.commands().getCommandSpec());
        Files.createDirectories(pages);
        Options options = Options.builder()
                .backend("manpage")
                .safe(SafeMode.UNSAFE)
                .toDir(formatted.toFile())
                .attributes(Attributes.builder()
                        .attribute("docdate", DateTimeFormatter.ISO_LOCAL_DATE.format(time.atOffset(ZoneOffset.UTC)))
                        .build())
                .build();
        try (Asciidoctor asciidoctor = Asciidoctor.Factory.create();
                Stream<Path> files = Files.list(sources.toPath())) {
            for (Path page : files.sorted().toList()) {
                asciidoctor.convertFile(page.toFile(), options);
            }
        }
        try (Stream<Path> files = Files.list(formatted)) {
            for (Path page : files.sorted().toList()) {
                gzip(Files.readString(page), pages.resolve(page.getFileName() + ".gz"));
            }
        }
    }

    private String changelog(String name) {
        String date = DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss Z", Locale.ENGLISH)
                .format(time.atOffset(ZoneOffset.UTC));
        return "%s (%s) unstable; urgency=medium\n\n  * See docs/upgrading.md.\n\n".formatted(name, version)
                + " -- Fractal LBA <fractal-lba@example.org>  " + date + "\n";
    }

    private static void gzip(String text, Path file) throws IOException {
        GzipParameters best = new GzipParameters();
        best.setCompressionLevel(9);
        try (OutputStream out = new GzipCompressorOutputStream(Files.newOutputStream(file), best)) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    private static void removeAll(Path directory) throws IOException {
        if (Files.exists(directory)) {
            try (Stream<Path> walk = Files.walk(directory)) {
                walk.sorted((a, b) -> b.compareTo(a)).map(Path::toFile).forEach(File::delete);
            }
        }
    }

    private static final class Log implements Console {
        @Override
        public void debug(String message) {}

        @Override
        public void info(String message) {
            System.out.println(message);
        }

        @Override
        public void warn(String message) {
            System.err.println(message);
        }
    }
}
