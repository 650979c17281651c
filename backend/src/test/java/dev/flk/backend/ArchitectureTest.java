// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Submission;
import org.junit.jupiter.api.Test;

/** Tests of the permitted dependencies between packages. */
class ArchitectureTest {
    private static final JavaClasses BACKEND = new ClassFileImporter(
                    java.util.List.of(new ImportOption.DoNotIncludeTests()))
            .importPackages("dev.flk.backend");

    @Test
    void netty_isImportedOnlyByThePorts() {
        noClasses()
                .that()
                .resideOutsideOfPackages("dev.flk.backend.http..", "dev.flk.backend.state..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.netty..", "io.grpc..", "com.google.protobuf..")
                .check(BACKEND);
    }

    @Test
    void lettuce_isImportedOnlyByTheRedisPackages() {
        onlyIn("dev.flk.backend..redis", "io.lettuce..", "reactor..");
    }

    @Test
    void picocli_isImportedOnlyByTheCommandLine() {
        onlyIn("dev.flk.backend.cli", "picocli..");
    }

    @Test
    void logback_isImportedOnlyByTheCommandLineAndTheAuditLog() {
        noClasses()
                .that()
                .resideOutsideOfPackages("dev.flk.backend.cli..", "dev.flk.backend.audit..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("ch.qos.logback..", "net.logstash..")
                .check(BACKEND);
    }

    @Test
    void prometheus_isImportedOnlyByMetrics() {
        onlyIn("dev.flk.backend.metrics", "io.prometheus..");
    }

    @Test
    void jdbc_isImportedOnlyByThePostgresPackages() {
        onlyIn(
                "dev.flk.backend..postgres",
                "java.sql..",
                "javax.sql..",
                "com.zaxxer.hikari..",
                "org.flywaydb..",
                "org.postgresql..");
    }

    @Test
    void ingest_doesNotDependOnHttp() {
        noClasses()
                .that()
                .resideInAPackage("dev.flk.backend.ingest..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.flk.backend.http..", "dev.flk.backend.cli..", "io.netty..")
                .check(BACKEND);
    }

    @Test
    void http_usesOnlyTheApiOfIngest() {
        classes()
                .that()
                .resideInAPackage("dev.flk.backend.http..")
                .should()
                .onlyAccessClassesThat(
                        not(resideInAnyPackage("dev.flk.backend.ingest..", "dev.flk.backend.dedup..", "dev.flk.wal.."))
                                .or(belongToAnyOf(Ingest.class, Outcome.class, Submission.class)))
                .check(BACKEND);
    }

    @Test
    void metricsAndLimit_dependOnNoFeature() {
        noClasses()
                .that()
                .resideInAnyPackage("dev.flk.backend.metrics..", "dev.flk.backend.limit..")
                .should()
                .dependOnClassesThat(resideInAPackage("dev.flk.backend..")
                        .and(resideOutsideOfPackages("dev.flk.backend.metrics..", "dev.flk.backend.limit..")))
                .check(BACKEND);
    }

    @Test
    void packages_haveNoCycles() {
        slices().matching("dev.flk.backend.(*)..").should().beFreeOfCycles().check(BACKEND);
    }

    private static void onlyIn(String home, String... libraries) {
        noClasses()
                .that()
                .resideOutsideOfPackage(home + "..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(libraries)
                .check(BACKEND);
    }
}
