// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.security.ProtectionDomain;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * A Java agent that makes the log's disk slow for one program: it waits after each force of the log's files. Forces of RocksDB, which
 * no request waits for, are left alone.
 */
public final class SlowForces implements ClassFileTransformer {
    private static final String FORCING_CLASS = "dev/flk/wal/DiskFiles$Channel";
    private static final String FORCING_METHOD = "force";

    private static volatile long nanos;

    private SlowForces() {}

    /** The option of a JVM in which each force takes so much longer. */
    public static String jvmOption(Duration longer) {
        return "-javaagent:" + Program.ownJar() + "=" + longer.toNanos();
    }

    /** Called by the JVM before the program. */
    public static void premain(String longerByNanos, Instrumentation instrumentation) {
        nanos = Long.parseLong(longerByNanos);
        instrumentation.addTransformer(new SlowForces());
    }

    /** Called behind each force. */
    public static void hold() {
        long end = System.nanoTime() + nanos;
        for (long left = nanos; left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    @Override
    public byte @Nullable [] transform(
            @Nullable ClassLoader loader,
            @Nullable String className,
            @Nullable Class<?> classBeingRedefined,
            @Nullable ProtectionDomain protectionDomain,
            byte[] classfile) {
        if (!FORCING_CLASS.equals(className)) {
            return null;
        }
        ClassReader reader = new ClassReader(classfile);
        ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
        reader.accept(new HoldBehindForce(writer), 0);
        return writer.toByteArray();
    }

    private static final class HoldBehindForce extends ClassVisitor {
        HoldBehindForce(ClassVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public MethodVisitor visitMethod(
                int access,
                String name,
                String descriptor,
                @Nullable String signature,
                String @Nullable [] exceptions) {
            MethodVisitor method = super.visitMethod(access, name, descriptor, signature, exceptions);
            if (!name.equals(FORCING_METHOD)) {
                return method;
            }
            return new MethodVisitor(Opcodes.ASM9, method) {
                @Override
                public void visitInsn(int opcode) {
                    if (opcode == Opcodes.RETURN) {
                        visitMethodInsn(
                                Opcodes.INVOKESTATIC, Type.getInternalName(SlowForces.class), "hold", "()V", false);
                    }
                    super.visitInsn(opcode);
                }
            };
        }
    }
}
