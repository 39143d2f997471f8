from setuptools import Extension, find_packages, setup

package_name = 'twinsight_sim'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    # A library for ctypes, see raycast.py; it is no module of Python's. Without contraction a seed
    # gives the same pictures on every processor.
    ext_modules=[Extension('twinsight_sim._raycast', ['twinsight_sim/raycast.c'],
                           extra_compile_args=['-O3', '-ffp-contract=off'], libraries=['m'])],
    zip_safe=False,
    maintainer='TwinSight developers',
    maintainer_email='developers@twinsight.example',
    description='A small simulated warehouse robot with known ground truth, for demos and tests.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'sim_robot = twinsight_sim.sim_robot:main',
        ],
    },
)
