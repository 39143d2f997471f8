from setuptools import find_packages, setup

package_name = 'twinsight_recorder'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['metrics/*.yaml']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    zip_safe=True,
    maintainer='TwinSight developers',
    maintainer_email='developers@twinsight.example',
    description='Records raw topics and bags into ReductStore, loss-free and without decoding.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'recorder = twinsight_recorder.recorder:main',
            'record-ctl = twinsight_recorder.record_ctl:main',
            'import_bag = twinsight_recorder.import_bag:main',
            'metrics_recorder = twinsight_recorder.metrics_recorder:main',
            'metrics_writer = twinsight_recorder.metrics_writer:main',
            'alerts = twinsight_recorder.alerts:main',
            'missions = twinsight_recorder.missions:main',
        ],
    },
)
